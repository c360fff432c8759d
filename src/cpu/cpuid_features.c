/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, places and dependencies of CPU features, and what the psABI levels are made of. Constant
 * tables and pure functions: any thread.
 *
 * Names sit in the table as arrays, not pointers: the table stays in read-only pages shared by all
 * processes. Dependencies are told one step deep; closing a set walks them to the end. Leaves out
 * whether a host has a feature, and everything that is not a single bit (cpuid_x86.c).
 * Sources: [SDM 2A CPUID] [APM 3 E.3] [x86-64 psABI 1.1 3.1.1] [KVM cpuid.rst]
 */
#include "cpuid_features.h"

#include <errno.h>
#include <string.h>

struct feature_name {
	uint16_t feature;
	char name[22];
};

#define NAME_ROW(word, bit, text) { VC__F_##text, #text },
static const struct feature_name names[] = { VC__CPU_FEATURES(NAME_ROW) };
#undef NAME_ROW

/* Other names that people know a feature by. */
static const struct feature_name aliases[] = {
	{ VC__F_nonstop_tsc, "invtsc" },
	{ VC__F_nonstop_tsc, "constant_tsc" },
	{ VC__F_tsc_deadline_timer, "tsc_deadline" },
	{ VC__F_pni, "sse3" },
	{ VC__F_abm, "lzcnt" },
	{ VC__F_cx16, "cmpxchg16b" },
	{ VC__F_pse36, "pse_36" },
	{ VC__F_kvmclock_stable_bit, "kvmclock_stable" },
};

static const struct vc__cpu_word_place places[VC__CPU_WORDS] = {
	[VC__1_EDX] = { 0x1, 0, 3, false },	     [VC__1_ECX] = { 0x1, 0, 2, false },
	[VC__6_EAX] = { 0x6, 0, 0, false },	     [VC__7_EBX] = { 0x7, 0, 1, true },
	[VC__7_ECX] = { 0x7, 0, 2, true },	     [VC__7_EDX] = { 0x7, 0, 3, true },
	[VC__7_1_EAX] = { 0x7, 1, 0, true },	     [VC__7_1_EDX] = { 0x7, 1, 3, true },
	[VC__7_2_EDX] = { 0x7, 2, 3, true },	     [VC__D_1_EAX] = { 0xd, 1, 0, true },
	[VC__X1_EDX] = { 0x80000001, 0, 3, false },  [VC__X1_ECX] = { 0x80000001, 0, 2, false },
	[VC__X7_EBX] = { 0x80000007, 0, 1, false },  [VC__X7_EDX] = { 0x80000007, 0, 3, false },
	[VC__X8_EBX] = { 0x80000008, 0, 1, false },  [VC__XA_EDX] = { 0x8000000a, 0, 3, false },
	[VC__X21_EAX] = { 0x80000021, 0, 0, false }, [VC__KVM_EAX] = { 0x40000001, 0, 0, false },
	[VC__KVM_EDX] = { 0x40000001, 0, 3, false },
};

/* First needs second. */
static const uint16_t needs[][2] = {
	/* FPU and vectors */
	{ VC__F_mmx, VC__F_fpu },
	{ VC__F_fxsr, VC__F_fpu },
	{ VC__F_fxsr_opt, VC__F_fxsr },
	{ VC__F_mmxext, VC__F_mmx },
	{ VC__F_3dnow, VC__F_mmx },
	{ VC__F_3dnowext, VC__F_3dnow },
	{ VC__F_sse, VC__F_fxsr },
	{ VC__F_sse2, VC__F_sse },
	{ VC__F_misalignsse, VC__F_sse },
	{ VC__F_pni, VC__F_sse2 },
	{ VC__F_sse4a, VC__F_pni },
	{ VC__F_ssse3, VC__F_pni },
	{ VC__F_sse4_1, VC__F_ssse3 },
	{ VC__F_sse4_2, VC__F_sse4_1 },
	{ VC__F_pclmulqdq, VC__F_sse2 },
	{ VC__F_aes, VC__F_sse2 },
	{ VC__F_sha_ni, VC__F_sse2 },
	{ VC__F_gfni, VC__F_sse2 },
	/* XSAVE and what lives in its area */
	{ VC__F_xsave, VC__F_fxsr },
	{ VC__F_xsaveopt, VC__F_xsave },
	{ VC__F_xsavec, VC__F_xsave },
	{ VC__F_xgetbv1, VC__F_xsave },
	{ VC__F_xsaves, VC__F_xsavec },
	{ VC__F_xfd, VC__F_xsave },
	{ VC__F_xsaveerptr, VC__F_xsave },
	{ VC__F_pku, VC__F_xsave },
	{ VC__F_mpx, VC__F_xsave },
	{ VC__F_lwp, VC__F_xsave },
	{ VC__F_shstk, VC__F_xsaves },
	{ VC__F_ibt, VC__F_xsaves },
	{ VC__F_arch_lbr, VC__F_xsaves },
	{ VC__F_amx_tile, VC__F_xsave },
	{ VC__F_amx_int8, VC__F_amx_tile },
	{ VC__F_amx_bf16, VC__F_amx_tile },
	{ VC__F_amx_fp16, VC__F_amx_tile },
	{ VC__F_amx_complex, VC__F_amx_tile },
	{ VC__F_avx, VC__F_xsave },
	{ VC__F_avx, VC__F_sse2 },
	{ VC__F_avx2, VC__F_avx },
	{ VC__F_fma, VC__F_avx },
	{ VC__F_fma4, VC__F_avx },
	{ VC__F_xop, VC__F_avx },
	{ VC__F_f16c, VC__F_avx },
	{ VC__F_vaes, VC__F_avx },
	{ VC__F_vaes, VC__F_aes },
	{ VC__F_vpclmulqdq, VC__F_avx },
	{ VC__F_vpclmulqdq, VC__F_pclmulqdq },
	{ VC__F_avx_vnni, VC__F_avx2 },
	{ VC__F_avx_vnni_int8, VC__F_avx2 },
	{ VC__F_avx_vnni_int16, VC__F_avx2 },
	{ VC__F_avx_ne_convert, VC__F_avx2 },
	{ VC__F_avx_ifma, VC__F_avx2 },
	{ VC__F_sha512, VC__F_avx2 },
	{ VC__F_sm3, VC__F_avx },
	{ VC__F_sm4, VC__F_avx2 },
	{ VC__F_avx512f, VC__F_avx2 },
	{ VC__F_avx512dq, VC__F_avx512f },
	{ VC__F_avx512ifma, VC__F_avx512f },
	{ VC__F_avx512pf, VC__F_avx512f },
	{ VC__F_avx512er, VC__F_avx512f },
	{ VC__F_avx512cd, VC__F_avx512f },
	{ VC__F_avx512bw, VC__F_avx512f },
	{ VC__F_avx512vl, VC__F_avx512f },
	{ VC__F_avx512_vnni, VC__F_avx512f },
	{ VC__F_avx512_vpopcntdq, VC__F_avx512f },
	{ VC__F_avx512_4vnniw, VC__F_avx512f },
	{ VC__F_avx512_4fmaps, VC__F_avx512f },
	{ VC__F_avx512_vp2intersect, VC__F_avx512f },
	{ VC__F_avx512vbmi, VC__F_avx512bw },
	{ VC__F_avx512_vbmi2, VC__F_avx512bw },
	{ VC__F_avx512_bitalg, VC__F_avx512bw },
	{ VC__F_avx512_bf16, VC__F_avx512bw },
	{ VC__F_avx512_fp16, VC__F_avx512bw },
	{ VC__F_avx10, VC__F_avx512vl },
	{ VC__F_apx, VC__F_xsave },
	/* addressing */
	{ VC__F_lm, VC__F_pae },
	{ VC__F_pdpe1gb, VC__F_lm },
	{ VC__F_la57, VC__F_lm },
	{ VC__F_lam, VC__F_lm },
	{ VC__F_lahf_lm, VC__F_lm },
	{ VC__F_cx16, VC__F_cx8 },
	/* time and interrupts */
	{ VC__F_rdtscp, VC__F_tsc },
	{ VC__F_tsc_adjust, VC__F_tsc },
	{ VC__F_nonstop_tsc, VC__F_tsc },
	{ VC__F_x2apic, VC__F_apic },
	{ VC__F_extapic, VC__F_apic },
	{ VC__F_tsc_deadline_timer, VC__F_apic },
	/* transactional memory */
	{ VC__F_tsxldtrk, VC__F_rtm },
	/* nested virtualization */
	{ VC__F_npt, VC__F_svm },
	{ VC__F_lbrv, VC__F_svm },
	{ VC__F_svm_lock, VC__F_svm },
	{ VC__F_nrip_save, VC__F_svm },
	{ VC__F_tsc_scale, VC__F_svm },
	{ VC__F_vmcb_clean, VC__F_svm },
	{ VC__F_flushbyasid, VC__F_svm },
	{ VC__F_decodeassists, VC__F_svm },
	{ VC__F_pausefilter, VC__F_svm },
	{ VC__F_pfthreshold, VC__F_pausefilter },
	{ VC__F_avic, VC__F_svm },
	{ VC__F_x2avic, VC__F_avic },
	{ VC__F_v_vmsave_vmload, VC__F_svm },
	{ VC__F_vgif, VC__F_svm },
	{ VC__F_v_spec_ctrl, VC__F_svm },
	{ VC__F_vnmi, VC__F_vgif },
	/* paravirtual: a guest looks for them only when it sees a hypervisor */
	{ VC__F_kvmclock_old, VC__F_hypervisor },
	{ VC__F_kvm_nopiodelay, VC__F_hypervisor },
	{ VC__F_kvm_mmu, VC__F_hypervisor },
	{ VC__F_kvmclock, VC__F_hypervisor },
	{ VC__F_kvmclock_stable_bit, VC__F_kvmclock },
	{ VC__F_kvm_asyncpf, VC__F_hypervisor },
	{ VC__F_kvm_asyncpf_vmexit, VC__F_kvm_asyncpf },
	{ VC__F_kvm_asyncpf_int, VC__F_kvm_asyncpf },
	{ VC__F_kvm_asyncpf_int, VC__F_apic },
	{ VC__F_kvm_steal_time, VC__F_hypervisor },
	{ VC__F_kvm_pv_tlb_flush, VC__F_kvm_steal_time },
	{ VC__F_kvm_pv_eoi, VC__F_hypervisor },
	{ VC__F_kvm_pv_eoi, VC__F_apic },
	{ VC__F_kvm_pv_unhalt, VC__F_hypervisor },
	{ VC__F_kvm_pv_unhalt, VC__F_apic },
	{ VC__F_kvm_pv_ipi, VC__F_hypervisor },
	{ VC__F_kvm_pv_ipi, VC__F_apic },
	{ VC__F_kvm_poll_control, VC__F_hypervisor },
	{ VC__F_kvm_pv_sched_yield, VC__F_hypervisor },
	{ VC__F_kvm_msi_ext_dest_id, VC__F_hypervisor },
	{ VC__F_kvm_hc_map_gpa_range, VC__F_hypervisor },
	{ VC__F_kvm_migration_control, VC__F_hypervisor },
	{ VC__F_kvm_hint_dedicated, VC__F_hypervisor },
};

/* What the levels take; each includes the one before. Level 1 is any x86-64 CPU. */
static const uint16_t level1[] = {
	VC__F_fpu, VC__F_de,   VC__F_pse,     VC__F_tsc,     VC__F_msr,	 VC__F_pae,
	VC__F_mce, VC__F_cx8,  VC__F_apic,    VC__F_sep,     VC__F_mtrr, VC__F_pge,
	VC__F_mca, VC__F_cmov, VC__F_pat,     VC__F_clflush, VC__F_mmx,	 VC__F_fxsr,
	VC__F_sse, VC__F_sse2, VC__F_syscall, VC__F_nx,	     VC__F_lm,
};
static const uint16_t level2[] = {
	VC__F_cx16, VC__F_lahf_lm, VC__F_popcnt, VC__F_pni, VC__F_ssse3, VC__F_sse4_1, VC__F_sse4_2,
};
static const uint16_t level3[] = {
	VC__F_avx, VC__F_avx2, VC__F_bmi1,  VC__F_bmi2,	 VC__F_f16c,
	VC__F_fma, VC__F_abm,  VC__F_movbe, VC__F_xsave,
};

/*
 * What a guest should get besides, where the host has it: interrupts, clocks and paravirtual
 * services without which a guest is slow, and what its kernel needs against its own user space.
 */
static const uint16_t wanted[] = {
	VC__F_vme,
	VC__F_pse36,
	VC__F_ss,
	VC__F_hypervisor,
	VC__F_x2apic,
	VC__F_tsc_deadline_timer,
	VC__F_arat,
	VC__F_tsc_adjust,
	VC__F_nonstop_tsc,
	VC__F_rdtscp,
	VC__F_pdpe1gb,
	VC__F_pcid,
	VC__F_invpcid,
	VC__F_fsgsbase,
	VC__F_topoext,
	/* protection */
	VC__F_smep,
	VC__F_smap,
	VC__F_umip,
	VC__F_rdrand,
	VC__F_rdseed,
	VC__F_md_clear,
	VC__F_spec_ctrl,
	VC__F_stibp,
	VC__F_ssbd,
	VC__F_arch_capabilities,
	VC__F_flush_l1d,
	VC__F_srbds_ctrl,
	VC__F_ibpb,
	VC__F_ibrs,
	VC__F_amd_stibp,
	VC__F_amd_ssbd,
	VC__F_virt_ssbd,
	VC__F_amd_ssb_no,
	VC__F_btc_no,
	VC__F_lfence_rdtsc,
	VC__F_null_sel_clr_base,
	VC__F_autoibrs,
	VC__F_sbpb,
	VC__F_ibpb_brtype,
	VC__F_srso_no,
	VC__F_ipred_ctrl,
	VC__F_rrsba_ctrl,
	VC__F_bhi_ctrl,
	VC__F_ibpb_ret,
	/* paravirtual */
	VC__F_kvmclock_old,
	VC__F_kvmclock,
	VC__F_kvmclock_stable_bit,
	VC__F_kvm_nopiodelay,
	VC__F_kvm_asyncpf,
	VC__F_kvm_asyncpf_vmexit,
	VC__F_kvm_asyncpf_int,
	VC__F_kvm_steal_time,
	VC__F_kvm_pv_eoi,
	VC__F_kvm_pv_unhalt,
	VC__F_kvm_pv_tlb_flush,
	VC__F_kvm_pv_ipi,
	VC__F_kvm_poll_control,
	VC__F_kvm_pv_sched_yield,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Equal, with '-' and '.' of the asked name counting as '_'. */
static bool same_name(const char *asked, const char *name)
{
	for (; *asked && *name; asked++, name++) {
		char c = *asked == '-' || *asked == '.' ? '_' : *asked;

		if (c != *name)
			return false;
	}
	return *asked == *name;
}

static int find_in(const struct feature_name *table, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (same_name(name, table[i].name))
			return table[i].feature;
	return -ENOENT;
}

static void add_all(struct vc__feature_set *set, const uint16_t *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		vc__feature_add(set, list[i]);
}

const struct vc__cpu_word_place *vc__feature_place(enum vc__cpu_word word)
{
	return &places[word];
}

const char *vc__feature_name(unsigned int feature)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].feature == feature)
			return names[i].name;
	return NULL;
}

int vc__feature_find(const char *name)
{
	int r = find_in(names, COUNT(names), name);

	return r >= 0 ? r : find_in(aliases, COUNT(aliases), name);
}

void vc__feature_close(struct vc__feature_set *set)
{
	bool changed;

	do {
		changed = false;
		for (size_t i = 0; i < COUNT(needs); i++) {
			if (!vc__feature_in(set, needs[i][0]) || vc__feature_in(set, needs[i][1]))
				continue;
			vc__feature_drop(set, needs[i][0]);
			changed = true;
		}
	} while (changed);
}

void vc__feature_add_bases(struct vc__feature_set *set)
{
	bool changed;

	do {
		changed = false;
		for (size_t i = 0; i < COUNT(needs); i++) {
			if (!vc__feature_in(set, needs[i][0]) || vc__feature_in(set, needs[i][1]))
				continue;
			vc__feature_add(set, needs[i][1]);
			changed = true;
		}
	} while (changed);
}

void vc__feature_level(unsigned int level, struct vc__feature_set *ret_needed,
		       struct vc__feature_set *ret_wanted)
{
	memset(ret_needed, 0, sizeof(*ret_needed));
	memset(ret_wanted, 0, sizeof(*ret_wanted));
	add_all(ret_needed, level1, COUNT(level1));
	add_all(ret_needed, level2, COUNT(level2));
	if (level >= 3)
		add_all(ret_needed, level3, COUNT(level3));
	add_all(ret_wanted, wanted, COUNT(wanted));
}
