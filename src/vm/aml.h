/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small writer of AML, the byte code of ACPI's DSDT: names, data objects, scopes, devices, resource
 * templates, and the frames of methods. What begins must end, innermost first.
 */
#ifndef VC_VM_AML_H
#define VC_VM_AML_H

#include "bytes.h"

/* Where something begun starts; given back to the matching end. */
struct vc__aml_mark {
	size_t at;
};

/* Name(@name, ...): the object must follow. @name: 4 characters, or '\' and 4 characters. */
void vc__aml_name(struct vc__bytes *b, const char *name);

/* Data objects. An EISA id is 3 capitals and 4 hex digits: "PNP0501". */
void vc__aml_integer(struct vc__bytes *b, uint64_t v);
void vc__aml_string(struct vc__bytes *b, const char *text);
void vc__aml_eisaid(struct vc__bytes *b, const char *id);
void vc__aml_buffer(struct vc__bytes *b, const void *bytes, size_t len);

/* Things that hold others. */
struct vc__aml_mark vc__aml_scope_begin(struct vc__bytes *b, const char *name);
struct vc__aml_mark vc__aml_device_begin(struct vc__bytes *b, const char *name);
struct vc__aml_mark vc__aml_package_begin(struct vc__bytes *b, uint8_t nr_elements);
/* Serialized: it may make names. */
struct vc__aml_mark vc__aml_method_begin(struct vc__bytes *b, const char *name, uint8_t nr_args);
/* If: its predicate and what it does follow. */
struct vc__aml_mark vc__aml_if_begin(struct vc__bytes *b);
void vc__aml_end(struct vc__bytes *b, struct vc__aml_mark mark);

/* ResourceTemplate() { ... }; has an end of its own. */
struct vc__aml_mark vc__aml_resources_begin(struct vc__bytes *b);
void vc__aml_io(struct vc__bytes *b, uint16_t port, uint8_t nr_ports);
void vc__aml_irq(struct vc__bytes *b, uint32_t irq);
void vc__aml_memory32_fixed(struct vc__bytes *b, uint32_t base, uint32_t len);
/* What a bridge hands on to devices behind it. */
enum vc__aml_window { VC__AML_BUS, VC__AML_IO, VC__AML_MEMORY, VC__AML_PREFETCH };
void vc__aml_window(struct vc__bytes *b, enum vc__aml_window kind, uint64_t base, uint64_t len);
void vc__aml_resources_end(struct vc__bytes *b, struct vc__aml_mark mark);

#endif /* VC_VM_AML_H */
