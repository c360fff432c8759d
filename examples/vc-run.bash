# SPDX-License-Identifier: Apache-2.0
# bash completion for vc-run
_vc_run() {
	local cur prev values
	COMPREPLY=()
	# --option=value comes as three words where = is a word break
	_get_comp_words_by_ref -n = cur prev 2>/dev/null || {
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	}
	if [[ $cur == --*=* ]]; then
		prev=${cur%%=*} cur=${cur#*=}
	fi
	case $prev in
	--kernel | --initrd | --config)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--irqchip) values='kernel split' ;;
	--on-reset) values='stop reboot' ;;
	--hypervisor) values='auto kvm xen fake' ;;
	--console)
		values='stdio pty null file: unix:'
		[[ $cur == file:* || $cur == unix:* ]] && {
			mapfile -t COMPREPLY < <(compgen -f -- "${cur#*:}")
			return
		}
		;;
	--cpu) values='host x86-64-v2 x86-64-v3' ;;
	--cpus) values='1 2 4' ;;
	--memory)
		local keys='kind=anon kind=memfd kind=hugetlb kind=file page=2M page=1G path= offset='
		keys+=' private=on thp=on thp=off ksm=on mlock=on dump=off prefault= host-nodes='
		keys+=' policy=bind policy=interleave policy=preferred node='
		[[ $cur == *,* ]] && values=$(printf "${cur%,*},%s " $keys) || values='256M 512M 1G 4G'
		compopt -o nospace
		;;
	--disk)
		local keys='readonly=on cache=writeback cache=none cache=writethrough cache=unsafe serial= queues='
		[[ $cur == *,* ]] && values=$(printf "${cur%,*},%s " $keys) || values='path='
		compopt -o nospace
		;;
	--seed)
		local keys='meta-data= network-config= instance-id= hostname='
		[[ $cur == *,* ]] && values=$(printf "${cur%,*},%s " $keys) || values='user-data='
		compopt -o nospace
		;;
	--append | --node | --pin | --tsc-khz | --halt-poll-ns) return ;;
	*)
		values='--kernel --initrd --append --cpus --cpu --memory --node --disk --seed --rng --irqchip --pit --tsc-khz
			--on-reset --console --hypervisor --pin --halt-poll-ns --config --stats --dry-run
			--host --version --help'
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
}
complete -o filenames -F _vc_run vc-run
