/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One x86 instruction in words. The disassembler is a library that few runs need: it is opened with
 * the handle and closed with it.
 */
#ifndef VC_CPU_DISASM_H
#define VC_CPU_DISASM_H

#include <libvirtcore/types.h>

struct vc__disasm;

#define VC__DISASM_TEXT 200u /* bytes for an instruction's text */

/* Any thread. Returns 0, or -ENOENT (no libcapstone: message), -ENOTSUP (its version), -ENOMEM. */
int vc__disasm_open(enum vc_x86_mode mode, struct vc__disasm **ret_disasm);

/* NULL is fine. */
void vc__disasm_close(struct vc__disasm *disasm);

/*
 * The instruction at the start of @bytes, as if at address @rip. Returns its length in bytes and
 * fills @text, cut to VC__DISASM_TEXT; or -EILSEQ (no instruction), -EINVAL. One thread at a time per handle.
 */
int vc__disasm_one(struct vc__disasm *disasm, const uint8_t *bytes, size_t nr_bytes, uint64_t rip,
		   char *text);

#endif /* VC_CPU_DISASM_H */
