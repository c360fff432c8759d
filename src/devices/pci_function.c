/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI function as its device sees it: made with its BARs and doorbells, then raised from any thread.
 *
 * Creation and destruction are the control thread's. Where the function's parts live: configuration
 * space in pci_config.c, vectors in msix.c, everything that takes a bridge in pci.c and pci_decode.c.
 * Leaves out several functions in one slot. Spec: [PCI 3.0 6.2.5.1] [PCI 3.0 6.8.2]
 */
#include "pci_private.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#define IO_BAR_MAX     256u
#define MEMORY_BAR_MIN 16u
#define MEM32_BAR_MAX  (1ull << 31)
#define MEM64_BAR_MAX  (1ull << 62)
#define DOORBELLS_MAX  4096u
#define CLASS_MAX      0xffffffu
#define MSIX_OFF_MAX   0xfffff000ull
#define NO_VENDOR      0xffffu

static int check_bar(const struct vc_pci_function_config *c, uint32_t n)
{
	const struct vc_pci_bar *bar = &c->bars[n];
	uint64_t min = bar->kind == VC_PCI_BAR_IO ? 4 : MEMORY_BAR_MIN;
	uint64_t max = bar->kind == VC_PCI_BAR_IO      ? IO_BAR_MAX
		       : bar->kind == VC_PCI_BAR_MEM32 ? MEM32_BAR_MAX
						       : MEM64_BAR_MAX;

	if ((uint32_t)bar->kind > VC_PCI_BAR_MEM64)
		return vc_error_set(-EINVAL, "pci", c->dev->name, "BAR %u is of unknown kind %u", n,
				    (unsigned int)bar->kind);
	if (bar->kind == VC_PCI_BAR_NONE)
		return bar->len == 0 ? 0
				     : vc_error_set(-EINVAL, "pci", c->dev->name,
						    "BAR %u is none but has a length", n);
	if (bar->len & (bar->len - 1) || bar->len < min || bar->len > max)
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "BAR %u has %" PRIu64 " bytes, a power of two from %" PRIu64
				    " to %" PRIu64 " expected",
				    n, bar->len, min, max);
	if (bar->kind == VC_PCI_BAR_IO && bar->is_prefetchable)
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "BAR %u: I/O ports are not prefetchable", n);
	if (bar->kind == VC_PCI_BAR_MEM64 &&
	    (n + 1 == VC_PCI_BARS || c->bars[n + 1].kind != VC_PCI_BAR_NONE))
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "BAR %u is of 64 bits: the next one has to be free", n);
	return 0;
}

static int check_msix(const struct vc_pci_function_config *c)
{
	const struct vc_pci_bar *bar;

	if (c->nr_vectors == 0)
		return 0;
	if (c->nr_vectors > VC_PCI_VECTORS_MAX)
		return vc_error_set(-EINVAL, "pci", c->dev->name, "%u vectors, at most %u expected",
				    c->nr_vectors, VC_PCI_VECTORS_MAX);
	bar = c->msix_bar < VC_PCI_BARS ? &c->bars[c->msix_bar] : NULL;
	if (!bar || bar->kind == VC_PCI_BAR_NONE || bar->kind == VC_PCI_BAR_IO)
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "MSI-X is to be in BAR %u, which is no memory", c->msix_bar);
	if (c->msix_off % 8 || c->msix_off > MSIX_OFF_MAX ||
	    !vc_range_within(c->msix_off, vc_pci_msix_bytes(c->nr_vectors), bar->len))
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "MSI-X takes %" PRIu64 " bytes at 0x%" PRIx64
				    " (a multiple of 8) of BAR %u, which has %" PRIu64,
				    vc_pci_msix_bytes(c->nr_vectors), c->msix_off, c->msix_bar,
				    bar->len);
	return 0;
}

static int check_config(const struct vc_pci_function_config *c)
{
	uint32_t n;
	int r;

	if (!c->dev)
		return vc_error_set(-EINVAL, "pci", NULL, "a function needs its device");
	if (c->vendor_id == NO_VENDOR || c->class_code > CLASS_MAX)
		return vc_error_set(-EINVAL, "pci", c->dev->name,
				    "vendor 0x%x or class 0x%x is none that a function has",
				    c->vendor_id, c->class_code);
	r = check_msix(c);
	for (n = 0; n < VC_PCI_BARS && r == 0; n++)
		r = check_bar(c, n);
	return r;
}

static void free_function(struct vc_pci_function *function)
{
	size_t i;

	for (i = 0; i < function->nr_doorbells; i++)
		if (!function->doorbells[i].cfg.has_fd)
			(void)close(function->doorbells[i].fd);
	free(function->doorbells);
	vc__msix_fini(&function->msix);
	free(function);
}

int vc__pci_function_create(const struct vc_pci_function_config *cfg, bool is_express,
			    struct vc_pci_function **ret_function)
{
	struct vc_pci_function *function = calloc(1, sizeof(*function));
	int r;

	if (!function)
		return vc_error_set(-ENOMEM, "pci", cfg->dev->name, "no memory for a function");
	function->dev = cfg->dev;
	function->has_intx = cfg->has_intx;
	memcpy(function->bars, cfg->bars, sizeof(function->bars));
	r = vc__msix_init(&function->msix, cfg->nr_vectors, cfg->msix_bar, cfg->msix_off);
	if (r == 0)
		r = vc__pci_config_init(function, cfg, is_express);
	if (r < 0) {
		free_function(function);
		return vc_error_set(r, "pci", cfg->dev->name, "no memory for %u vectors",
				    cfg->nr_vectors);
	}
	*ret_function = function;
	return 0;
}

int vc_pci_function_create(const struct vc_pci_function_config *user_cfg,
			   struct vc_pci_function **ret_function)
{
	struct vc_pci_function_config cfg;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!ret_function)
		return vc_error_set(-EINVAL, "pci", NULL, "ret_function is needed");
	r = check_config(&cfg);
	return r < 0 ? r : vc__pci_function_create(&cfg, true, ret_function);
}

void vc_pci_function_destroy(struct vc_pci_function *function)
{
	if (!function)
		return;
	vc__pci_detach(function);
	free_function(function);
}

/* One write could ring both. */
static bool is_same(const struct vc_pci_doorbell *a, const struct vc_pci_doorbell *b)
{
	return a->bar == b->bar && a->off == b->off &&
	       (a->len == 0 || b->len == 0 || a->len == b->len) &&
	       (!a->has_match || !b->has_match || a->match == b->match);
}

static int check_doorbell(const struct vc_pci_function *function, const struct vc_pci_doorbell *d)
{
	const struct vc_pci_bar *bar = d->bar < VC_PCI_BARS ? &function->bars[d->bar] : NULL;
	bool is_io = bar && bar->kind == VC_PCI_BAR_IO;
	uint64_t len = d->len ? d->len : 1;
	size_t i;

	if (!bar || bar->kind == VC_PCI_BAR_NONE || !vc_range_within(d->off, len, bar->len) ||
	    vc__msix_owns(&function->msix, d->bar, d->off, (uint32_t)len))
		return vc_error_set(-EINVAL, "pci", function->dev->name,
				    "no place for a doorbell: BAR %u, offset 0x%" PRIx64, d->bar,
				    d->off);
	if (d->len > 8 || d->len & (d->len - 1) || (is_io && (d->len == 0 || d->len == 8)) ||
	    (d->has_match && (d->len == 0 || (d->len < 8 && d->match >> (8 * d->len)))))
		return vc_error_set(-EINVAL, "pci", function->dev->name,
				    "doorbell of %u bytes: 1, 2, 4, in memory 8, without a match 0 "
				    "for any; a match has as many",
				    d->len);
	if (d->has_fd && d->fd < 0)
		return vc_error_set(-EINVAL, "pci", function->dev->name, "no fd: %d", d->fd);
	if (function->nr_doorbells == DOORBELLS_MAX)
		return vc_error_set(-EINVAL, "pci", function->dev->name, "more than %u doorbells",
				    DOORBELLS_MAX);
	for (i = 0; i < function->nr_doorbells; i++)
		if (is_same(&function->doorbells[i].cfg, d))
			return vc_error_set(-EEXIST, "pci", function->dev->name,
					    "BAR %u has a doorbell at 0x%" PRIx64 " already",
					    d->bar, d->off);
	return 0;
}

int vc_pci_function_add_doorbell(struct vc_pci_function *function,
				 const struct vc_pci_doorbell *user_cfg)
{
	struct pci_doorbell *grown, bell = { .wired = NULL };
	int r = vc_config_copy(&bell.cfg, sizeof(bell.cfg), user_cfg);

	if (r < 0)
		return r;
	if (!function)
		return vc_error_set(-EINVAL, "pci", NULL, "no function given");
	if (function->bridge)
		return vc_error_set(-EBUSY, "pci", function->dev->name,
				    "the function is in a bridge: doorbells are added before");
	r = check_doorbell(function, &bell.cfg);
	if (r < 0)
		return r;
	grown = reallocarray(function->doorbells, function->nr_doorbells + 1, sizeof(*grown));
	if (!grown)
		return vc_error_set(-ENOMEM, "pci", function->dev->name, "no memory");
	function->doorbells = grown;
	bell.fd = bell.cfg.has_fd ? bell.cfg.fd : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell.fd < 0)
		return vc_error_set(-errno, "pci", function->dev->name, "no eventfd");
	function->doorbells[function->nr_doorbells++] = bell;
	return bell.fd;
}

struct vc_device *vc_pci_function_device(const struct vc_pci_function *function)
{
	return function ? function->dev : NULL;
}

uint32_t vc_pci_function_config(const struct vc_pci_function *function, uint32_t off, uint32_t size)
{
	if (!function || size > 4 || !vc_range_within(off, size, PCI_CONFIG_BYTES))
		return UINT32_MAX;
	return (uint32_t)vc__pci_config_read(function, off, size);
}

static int refuse_vector(const struct vc_pci_function *function, uint32_t vector)
{
	return vc_error_set(-EINVAL, "pci", function ? function->dev->name : NULL,
			    "no vector %u: there are %u", vector, function ? function->msix.nr : 0);
}

int vc_pci_function_raise(struct vc_pci_function *function, uint32_t vector)
{
	if (!function || vector >= function->msix.nr)
		return refuse_vector(function, vector);
	return vc__msix_raise(&function->msix, vector);
}

int vc_pci_function_vector_fd(struct vc_pci_function *function, uint32_t vector)
{
	int fd;

	if (!function || vector >= function->msix.nr)
		return refuse_vector(function, vector);
	fd = vc__msix_fd(&function->msix, vector);
	return fd == -EBUSY ? vc_error_set(-EBUSY, "pci", function->dev->name,
					   "the function is in no bridge")
			    : fd;
}

bool vc_pci_function_has_msix(const struct vc_pci_function *function)
{
	/* pairs with enable() in msix.c */
	return function && atomic_load_explicit(&function->msix.is_enabled, memory_order_acquire);
}

int vc_pci_function_set_intx(struct vc_pci_function *function, bool is_high)
{
	if (!function || !function->has_intx)
		return vc_error_set(-EINVAL, "pci", function ? function->dev->name : NULL,
				    "a function with INTx is needed");
	return vc__pci_set_intx(function, is_high);
}

bool vc_pci_function_is_master(const struct vc_pci_function *function)
{
	return function && atomic_load_explicit(&function->is_master, memory_order_relaxed);
}
