/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of CPU features that a model can be asked about: where CPUID reports each, and its name
 * as Linux prints it in /proc/cpuinfo (hypervisors' usual name where Linux prints none). A
 * feature's number is word * 32 + bit, so a set of features is an array of CPUID registers.
 *
 * Left out on purpose: bits that the CPU sets itself while running (osxsave, ospke), bits that no
 * hypervisor gives to guests, and features told by MSRs only.
 */
#ifndef VC__CPUID_FEATURES_H
#define VC__CPUID_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CPUID registers that hold feature bits. [SDM 2A CPUID] [APM 3 E] [KVM cpuid.rst] */
enum vc__cpu_word {
	VC__1_EDX,
	VC__1_ECX,
	VC__6_EAX,
	VC__7_EBX,
	VC__7_ECX,
	VC__7_EDX,
	VC__7_1_EAX,
	VC__7_1_EDX,
	VC__7_2_EDX,
	VC__D_1_EAX,
	VC__X1_EDX, /* X1 = 0x80000001 and so on */
	VC__X1_ECX,
	VC__X7_EBX,
	VC__X7_EDX,
	VC__X8_EBX,
	VC__XA_EDX,
	VC__X21_EAX,
	VC__KVM_EAX, /* 0x40000001 */
	VC__KVM_EDX,
	VC__CPU_WORDS,
};

/* A table: F(word, bit, name). */
/* clang-format off */
#define VC__CPU_FEATURES(F) \
	F(1_EDX, 0, fpu) F(1_EDX, 1, vme) F(1_EDX, 2, de) F(1_EDX, 3, pse) F(1_EDX, 4, tsc) \
	F(1_EDX, 5, msr) F(1_EDX, 6, pae) F(1_EDX, 7, mce) F(1_EDX, 8, cx8) F(1_EDX, 9, apic) \
	F(1_EDX, 11, sep) F(1_EDX, 12, mtrr) F(1_EDX, 13, pge) F(1_EDX, 14, mca) \
	F(1_EDX, 15, cmov) F(1_EDX, 16, pat) F(1_EDX, 17, pse36) F(1_EDX, 18, pn) \
	F(1_EDX, 19, clflush) F(1_EDX, 21, dts) F(1_EDX, 22, acpi) F(1_EDX, 23, mmx) \
	F(1_EDX, 24, fxsr) F(1_EDX, 25, sse) F(1_EDX, 26, sse2) F(1_EDX, 27, ss) \
	F(1_EDX, 28, ht) F(1_EDX, 29, tm) F(1_EDX, 31, pbe) \
	F(1_ECX, 0, pni) F(1_ECX, 1, pclmulqdq) F(1_ECX, 2, dtes64) F(1_ECX, 3, monitor) \
	F(1_ECX, 4, ds_cpl) F(1_ECX, 5, vmx) F(1_ECX, 6, smx) F(1_ECX, 7, est) F(1_ECX, 8, tm2) \
	F(1_ECX, 9, ssse3) F(1_ECX, 11, sdbg) F(1_ECX, 12, fma) F(1_ECX, 13, cx16) \
	F(1_ECX, 14, xtpr) F(1_ECX, 15, pdcm) F(1_ECX, 17, pcid) F(1_ECX, 18, dca) \
	F(1_ECX, 19, sse4_1) F(1_ECX, 20, sse4_2) F(1_ECX, 21, x2apic) F(1_ECX, 22, movbe) \
	F(1_ECX, 23, popcnt) F(1_ECX, 24, tsc_deadline_timer) F(1_ECX, 25, aes) \
	F(1_ECX, 26, xsave) F(1_ECX, 28, avx) F(1_ECX, 29, f16c) F(1_ECX, 30, rdrand) \
	F(1_ECX, 31, hypervisor) \
	F(6_EAX, 2, arat) \
	F(7_EBX, 0, fsgsbase) F(7_EBX, 1, tsc_adjust) F(7_EBX, 2, sgx) F(7_EBX, 3, bmi1) \
	F(7_EBX, 4, hle) F(7_EBX, 5, avx2) F(7_EBX, 6, fdp_excptn_only) F(7_EBX, 7, smep) \
	F(7_EBX, 8, bmi2) F(7_EBX, 9, erms) F(7_EBX, 10, invpcid) F(7_EBX, 11, rtm) \
	F(7_EBX, 12, cqm) F(7_EBX, 13, zero_fcs_fds) F(7_EBX, 14, mpx) F(7_EBX, 15, rdt_a) \
	F(7_EBX, 16, avx512f) F(7_EBX, 17, avx512dq) F(7_EBX, 18, rdseed) F(7_EBX, 19, adx) \
	F(7_EBX, 20, smap) F(7_EBX, 21, avx512ifma) F(7_EBX, 23, clflushopt) F(7_EBX, 24, clwb) \
	F(7_EBX, 25, intel_pt) F(7_EBX, 26, avx512pf) F(7_EBX, 27, avx512er) \
	F(7_EBX, 28, avx512cd) F(7_EBX, 29, sha_ni) F(7_EBX, 30, avx512bw) \
	F(7_EBX, 31, avx512vl) \
	F(7_ECX, 0, prefetchwt1) F(7_ECX, 1, avx512vbmi) F(7_ECX, 2, umip) F(7_ECX, 3, pku) \
	F(7_ECX, 5, waitpkg) F(7_ECX, 6, avx512_vbmi2) F(7_ECX, 7, shstk) F(7_ECX, 8, gfni) \
	F(7_ECX, 9, vaes) F(7_ECX, 10, vpclmulqdq) F(7_ECX, 11, avx512_vnni) \
	F(7_ECX, 12, avx512_bitalg) F(7_ECX, 13, tme) F(7_ECX, 14, avx512_vpopcntdq) \
	F(7_ECX, 16, la57) F(7_ECX, 22, rdpid) F(7_ECX, 24, bus_lock_detect) \
	F(7_ECX, 25, cldemote) F(7_ECX, 27, movdiri) F(7_ECX, 28, movdir64b) \
	F(7_ECX, 29, enqcmd) F(7_ECX, 30, sgx_lc) \
	F(7_EDX, 2, avx512_4vnniw) F(7_EDX, 3, avx512_4fmaps) F(7_EDX, 4, fsrm) \
	F(7_EDX, 8, avx512_vp2intersect) F(7_EDX, 9, srbds_ctrl) F(7_EDX, 10, md_clear) \
	F(7_EDX, 11, rtm_always_abort) F(7_EDX, 14, serialize) F(7_EDX, 16, tsxldtrk) \
	F(7_EDX, 18, pconfig) F(7_EDX, 19, arch_lbr) F(7_EDX, 20, ibt) F(7_EDX, 22, amx_bf16) \
	F(7_EDX, 23, avx512_fp16) F(7_EDX, 24, amx_tile) F(7_EDX, 25, amx_int8) \
	F(7_EDX, 26, spec_ctrl) F(7_EDX, 27, stibp) F(7_EDX, 28, flush_l1d) \
	F(7_EDX, 29, arch_capabilities) F(7_EDX, 30, core_capabilities) F(7_EDX, 31, ssbd) \
	F(7_1_EAX, 0, sha512) F(7_1_EAX, 1, sm3) F(7_1_EAX, 2, sm4) F(7_1_EAX, 4, avx_vnni) \
	F(7_1_EAX, 5, avx512_bf16) F(7_1_EAX, 6, lass) F(7_1_EAX, 7, cmpccxadd) \
	F(7_1_EAX, 10, fzrm) F(7_1_EAX, 11, fsrs) F(7_1_EAX, 12, fsrc) F(7_1_EAX, 17, fred) \
	F(7_1_EAX, 18, lkgs) F(7_1_EAX, 19, wrmsrns) F(7_1_EAX, 21, amx_fp16) \
	F(7_1_EAX, 23, avx_ifma) F(7_1_EAX, 26, lam) \
	F(7_1_EDX, 4, avx_vnni_int8) F(7_1_EDX, 5, avx_ne_convert) F(7_1_EDX, 8, amx_complex) \
	F(7_1_EDX, 10, avx_vnni_int16) F(7_1_EDX, 14, prefetchiti) F(7_1_EDX, 19, avx10) \
	F(7_1_EDX, 21, apx) \
	F(7_2_EDX, 0, intel_psfd) F(7_2_EDX, 1, ipred_ctrl) F(7_2_EDX, 2, rrsba_ctrl) \
	F(7_2_EDX, 3, ddpd_u) F(7_2_EDX, 4, bhi_ctrl) F(7_2_EDX, 5, mcdt_no) \
	F(D_1_EAX, 0, xsaveopt) F(D_1_EAX, 1, xsavec) F(D_1_EAX, 2, xgetbv1) \
	F(D_1_EAX, 3, xsaves) F(D_1_EAX, 4, xfd) \
	F(X1_EDX, 11, syscall) F(X1_EDX, 20, nx) F(X1_EDX, 22, mmxext) F(X1_EDX, 25, fxsr_opt) \
	F(X1_EDX, 26, pdpe1gb) F(X1_EDX, 27, rdtscp) F(X1_EDX, 29, lm) F(X1_EDX, 30, 3dnowext) \
	F(X1_EDX, 31, 3dnow) \
	F(X1_ECX, 0, lahf_lm) F(X1_ECX, 1, cmp_legacy) F(X1_ECX, 2, svm) F(X1_ECX, 3, extapic) \
	F(X1_ECX, 4, cr8_legacy) F(X1_ECX, 5, abm) F(X1_ECX, 6, sse4a) F(X1_ECX, 7, misalignsse) \
	F(X1_ECX, 8, 3dnowprefetch) F(X1_ECX, 9, osvw) F(X1_ECX, 10, ibs) F(X1_ECX, 11, xop) \
	F(X1_ECX, 12, skinit) F(X1_ECX, 13, wdt) F(X1_ECX, 15, lwp) F(X1_ECX, 16, fma4) \
	F(X1_ECX, 17, tce) F(X1_ECX, 19, nodeid_msr) F(X1_ECX, 21, tbm) F(X1_ECX, 22, topoext) \
	F(X1_ECX, 23, perfctr_core) F(X1_ECX, 24, perfctr_nb) F(X1_ECX, 26, bpext) \
	F(X1_ECX, 27, ptsc) F(X1_ECX, 28, perfctr_llc) F(X1_ECX, 29, mwaitx) \
	F(X7_EBX, 0, overflow_recov) F(X7_EBX, 1, succor) F(X7_EBX, 3, smca) \
	F(X7_EDX, 8, nonstop_tsc) \
	F(X8_EBX, 0, clzero) F(X8_EBX, 1, irperf) F(X8_EBX, 2, xsaveerptr) F(X8_EBX, 4, rdpru) \
	F(X8_EBX, 9, wbnoinvd) F(X8_EBX, 12, ibpb) F(X8_EBX, 14, ibrs) F(X8_EBX, 15, amd_stibp) \
	F(X8_EBX, 17, stibp_always_on) F(X8_EBX, 19, ibrs_same_mode) F(X8_EBX, 24, amd_ssbd) \
	F(X8_EBX, 25, virt_ssbd) F(X8_EBX, 26, amd_ssb_no) F(X8_EBX, 28, amd_psfd) \
	F(X8_EBX, 29, btc_no) F(X8_EBX, 30, ibpb_ret) \
	F(XA_EDX, 0, npt) F(XA_EDX, 1, lbrv) F(XA_EDX, 2, svm_lock) F(XA_EDX, 3, nrip_save) \
	F(XA_EDX, 4, tsc_scale) F(XA_EDX, 5, vmcb_clean) F(XA_EDX, 6, flushbyasid) \
	F(XA_EDX, 7, decodeassists) F(XA_EDX, 10, pausefilter) F(XA_EDX, 12, pfthreshold) \
	F(XA_EDX, 13, avic) F(XA_EDX, 15, v_vmsave_vmload) F(XA_EDX, 16, vgif) \
	F(XA_EDX, 18, x2avic) F(XA_EDX, 20, v_spec_ctrl) F(XA_EDX, 25, vnmi) \
	F(X21_EAX, 0, no_nested_data_bp) F(X21_EAX, 2, lfence_rdtsc) \
	F(X21_EAX, 6, null_sel_clr_base) F(X21_EAX, 8, autoibrs) F(X21_EAX, 9, no_smm_ctl_msr) \
	F(X21_EAX, 20, prefetchi) F(X21_EAX, 27, sbpb) F(X21_EAX, 28, ibpb_brtype) \
	F(X21_EAX, 29, srso_no) \
	F(KVM_EAX, 0, kvmclock_old) F(KVM_EAX, 1, kvm_nopiodelay) F(KVM_EAX, 2, kvm_mmu) \
	F(KVM_EAX, 3, kvmclock) F(KVM_EAX, 4, kvm_asyncpf) F(KVM_EAX, 5, kvm_steal_time) \
	F(KVM_EAX, 6, kvm_pv_eoi) F(KVM_EAX, 7, kvm_pv_unhalt) F(KVM_EAX, 9, kvm_pv_tlb_flush) \
	F(KVM_EAX, 10, kvm_asyncpf_vmexit) F(KVM_EAX, 11, kvm_pv_ipi) \
	F(KVM_EAX, 12, kvm_poll_control) F(KVM_EAX, 13, kvm_pv_sched_yield) \
	F(KVM_EAX, 14, kvm_asyncpf_int) F(KVM_EAX, 15, kvm_msi_ext_dest_id) \
	F(KVM_EAX, 16, kvm_hc_map_gpa_range) F(KVM_EAX, 17, kvm_migration_control) \
	F(KVM_EAX, 24, kvmclock_stable_bit) \
	F(KVM_EDX, 0, kvm_hint_dedicated)
/* clang-format on */

#define VC__FEATURE_ENUM(word, bit, name) VC__F_##name = VC__##word * 32 + (bit),
enum vc__cpu_feature { VC__CPU_FEATURES(VC__FEATURE_ENUM) };
#undef VC__FEATURE_ENUM

struct vc__feature_set {
	uint32_t words[VC__CPU_WORDS];
};

static inline bool vc__feature_in(const struct vc__feature_set *set, unsigned int feature)
{
	return set->words[feature / 32] & 1u << feature % 32;
}

static inline void vc__feature_add(struct vc__feature_set *set, unsigned int feature)
{
	set->words[feature / 32] |= 1u << feature % 32;
}

static inline void vc__feature_drop(struct vc__feature_set *set, unsigned int feature)
{
	set->words[feature / 32] &= ~(1u << feature % 32);
}

/* The leaf and register that a word is; reg 0 = EAX ... 3 = EDX. */
struct vc__cpu_word_place {
	uint32_t function, index;
	uint8_t reg;
	bool has_index;
};

const struct vc__cpu_word_place *vc__feature_place(enum vc__cpu_word word);

/* Name of a feature, or NULL when the bit has none. */
const char *vc__feature_name(unsigned int feature);

/* Number of the feature of that name ('-' and '.' count as '_'), or -ENOENT. */
int vc__feature_find(const char *name);

/* Takes out of @set what needs a feature that is not in it, and what needs that, and so on. */
void vc__feature_close(struct vc__feature_set *set);

/* Adds to @set what its members need. */
void vc__feature_add_bases(struct vc__feature_set *set);

/* The psABI level (2 or 3): what it takes, and what guests should get besides when there. */
void vc__feature_level(unsigned int level, struct vc__feature_set *ret_needed,
		       struct vc__feature_set *ret_wanted);

#endif /* VC__CPUID_FEATURES_H */
