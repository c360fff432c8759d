/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rest of a vCPU's state: FPU and LAPIC in their architectural formats, save and load,
 * counters, and the explanation of an exit that should not have been.
 */
#ifndef LIBVIRTCORE_VCPU_STATE_H
#define LIBVIRTCORE_VCPU_STATE_H

#include <libvirtcore/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vc_vcpu_get_xsave() - read the XSAVE area (FPU, SSE, AVX, ...).
 * @vcpu: not running.
 * @buf: filled in the standard (not compacted) format; may be NULL when @len is 0.
 * @len: bytes in @buf.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: the area's size in bytes (may exceed @len, then @buf is untouched), or -EINVAL,
 *          -ENOTSUP, or what the hypervisor answered.
 * Spec: [SDM 1 13.4] [KVM KVM_GET_XSAVE2]   Since: 0.1
 */
VC_API int vc_vcpu_get_xsave(struct vc_vcpu *vcpu, void *buf, size_t len);

/**
 * vc_vcpu_set_xsave() - write the XSAVE area.
 * @vcpu: not running.
 * @buf: standard format.
 * @len: bytes; the size that vc_vcpu_get_xsave() gives.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL (size, or bits that the CPU model lacks), -ENOTSUP.
 * Spec: [SDM 1 13.4] [KVM KVM_SET_XSAVE]   Since: 0.1
 */
VC_API int vc_vcpu_set_xsave(struct vc_vcpu *vcpu, const void *buf, size_t len);

#define VC_LAPIC_BYTES 1024u

/**
 * vc_vcpu_get_lapic() - read the local APIC's register page.
 * @vcpu: not running; partition with an irqchip.
 * @ret_page: VC_LAPIC_BYTES, registers at their xAPIC offsets.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL (no irqchip), -ENOTSUP, or what the hypervisor answered.
 * Spec: [SDM 3A 11.4.1] [KVM KVM_GET_LAPIC]   Since: 0.1
 */
VC_API int vc_vcpu_get_lapic(struct vc_vcpu *vcpu, void *ret_page);

/**
 * vc_vcpu_set_lapic() - write the local APIC's register page.
 * @vcpu: not running; partition with an irqchip.
 * @page: VC_LAPIC_BYTES.
 * Context: vcpu thread, or any while it is not running; does not block.
 * Returns: 0, or -EINVAL, -ENOTSUP, or what the hypervisor answered.
 * Spec: [SDM 3A 11.4.1] [KVM KVM_SET_LAPIC]   Since: 0.1
 */
VC_API int vc_vcpu_set_lapic(struct vc_vcpu *vcpu, const void *page);

/**
 * vc_vcpu_save() - complete the pending access, then write all state into a state stream.
 * @vcpu: not running.
 * @writer: section "vcpu" and the index: general, system, debug registers, XSAVE, XCR0, MSRs,
 *          LAPIC, events, run state.
 * Context: vcpu thread, or any while none is attached; does not block.
 * Returns: 0, or -EINVAL (NULL), -EAGAIN (the access has a further part: run, handle its exit, save
 *          again), -ENOTSUP, -EBUSY (running), -ENOMEM, or what the hypervisor answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_save(struct vc_vcpu *vcpu, struct vc_state_writer *writer);

/**
 * vc_vcpu_load() - read back what vc_vcpu_save() wrote, into a vCPU of the same model.
 * @vcpu: not running.
 * @reader: the stream.
 * Context: vcpu thread, or any while none is attached; does not block.
 * Returns: 0, or -EBADMSG, -EPROTONOSUPPORT, -ENOENT (no section for this vCPU), -ENOTSUP (an MSR
 *          or XSAVE part that this host lacks: named), -EBUSY, or what the hypervisor answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_load(struct vc_vcpu *vcpu, struct vc_state_reader *reader);

/**
 * vc_vcpu_get_stats() - read a vCPU's counters.
 * @vcpu: may run.
 * @ret_stats: its size set; filled; values of one moment each, not all of the same.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (NULL, size).
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_get_stats(const struct vc_vcpu *vcpu, struct vc_vcpu_stats *ret_stats);

/* What was recorded when a vCPU stopped for a reason that needs explaining. */
struct vc_fault {
	enum vc_exit_kind kind;
	uint64_t code; /* vc_exit.code */
	enum vc_x86_mode mode;
	struct vc_x86_regs regs;
	struct vc_x86_sregs sregs;
	vc_gpa addr;	   /* guest-physical address of the access, when known, else all ones */
	uint32_t nr_bytes; /* valid in bytes; 0 when RIP could not be read */
	uint8_t bytes[15]; /* at RIP */
};

/**
 * vc_vcpu_get_fault() - record mode, registers and code bytes of a stopped vCPU.
 * @vcpu: not running.
 * @exit: the exit to explain.
 * @ret_fault: filled; untouched on failure.
 * Context: vcpu thread; does not block; allocates nothing.
 * Returns: 0, or -EINVAL, or what the hypervisor answered.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_vcpu_get_fault(struct vc_vcpu *vcpu, const struct vc_exit *exit,
			     struct vc_fault *ret_fault);

/**
 * vc_fault_explain() - say in words what stopped a vCPU: reason, mode, registers, disassembly.
 * @fault: what vc_vcpu_get_fault() recorded.
 * @fn: called once a line; the first line is a one-line summary.
 * @opaque: given to @fn.
 * Context: any thread; opens the disassembler's library at its first use.
 * Returns: 0, or 1 when the disassembler is missing (the bytes are shown instead), or -EINVAL.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_fault_explain(const struct vc_fault *fault, vc_text_fn fn, void *opaque);

/**
 * vc_exit_name() - name of an exit kind: "pio", "mmio", "triple fault", ...
 * @kind: the kind.
 * Context: any thread; does not block.
 * Returns: a static string, "?" for other values.
 * Spec: none.   Since: 0.1
 */
VC_API const char *vc_exit_name(enum vc_exit_kind kind);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRTCORE_VCPU_STATE_H */
