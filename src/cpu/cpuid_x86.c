/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU models: from the CPUID leaves that a host supports, a model's name, a list of +feature and
 * -feature and a topology, works out the leaves that each vCPU is given. Pure work on tables, once
 * per model, on the thread that creates it; a model is constant afterwards.
 *
 * Features are a set: start (the host's, or a psABI level), minus what was taken out and all that
 * needs it, plus what was asked for and all that it needs; what the host lacks is then an error.
 * The order of the list does not matter. Vendor, family, model and stepping stay the host's, so
 * that a guest applies the work-arounds that this CPU needs. Leaves out: MSRs, hybrid CPUs, the
 * vendor's performance counters in the levelled models.
 * Sources: [SDM 2A CPUID] [SDM 1 13.2] [APM 3 E] [x86-64 psABI 1.1 3.1.1] [KVM cpuid.rst]
 */
#include "backend.h"
#include "cpuid_model.h"

#include <libvirtcore/implement.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct vc__cpu_kind kinds[] = {
	{ "host", 0 },
	{ "x86-64-v2", 2 },
	{ "x86-64-v3", 3 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a model is being built from. */
struct request {
	const struct vc__cpuid_host *host;
	struct vc__feature_set offered; /* by the host, consistent */
	struct vc__feature_set plus, minus;
	bool is_amd;
};

/* AMD and its licensee; everybody else follows Intel's leaves. */
static bool is_amd_host(const struct vc__cpuid_host *host)
{
	struct vc__cpuid_leaf leaf = vc__cpuid_host_leaf(host, 0, 0);
	char vendor[12];

	memcpy(vendor, &leaf.ebx, 4);
	memcpy(vendor + 4, &leaf.edx, 4);
	memcpy(vendor + 8, &leaf.ecx, 4);
	return !memcmp(vendor, "AuthenticAMD", 12) || !memcmp(vendor, "HygonGenuine", 12);
}

static const struct vc__cpu_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!strcmp(name, kinds[i].name))
			return &kinds[i];
	(void)vc_error_set(-EINVAL, "cpu", "model",
			   "unknown CPU model \"%s\": expected host, x86-64-v2 or x86-64-v3", name);
	return NULL;
}

static int read_one(struct request *req, const char *text)
{
	if (!text || (text[0] != '+' && text[0] != '-'))
		return vc_error_set(-EINVAL, "cpu", "model",
				    "CPU feature \"%s\": expected + or - before the name",
				    text ? text : "(null)");

	int feature = vc__feature_find(text + 1);

	if (feature < 0)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "unknown CPU feature \"%s\": expected a name as in "
				    "/proc/cpuinfo, or of a KVM service",
				    text + 1);
	if (feature == VC__F_ht || feature == VC__F_cmp_legacy)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "CPU feature %s follows from the topology and cannot be chosen",
				    text + 1);
	vc__feature_add(text[0] == '+' ? &req->plus : &req->minus, (unsigned int)feature);
	return 0;
}

/* The first feature of a set, or -1. */
static int first_of(const struct vc__feature_set *set, unsigned int *ret_nr)
{
	int first = -1;

	*ret_nr = 0;
	for (unsigned int w = 0; w < VC__CPU_WORDS; w++) {
		*ret_nr += (unsigned int)__builtin_popcount(set->words[w]);
		if (first < 0 && set->words[w])
			first = (int)(w * 32 + (unsigned int)__builtin_ctz(set->words[w]));
	}
	return first;
}

static int read_list(struct request *req, const struct vc_cpu_model_config *cfg)
{
	struct vc__feature_set all, clash;
	unsigned int nr;
	int r, first;

	if (cfg->nr_features && !cfg->features)
		return vc_error_set(-EINVAL, "cpu", "model", "%zu CPU features at NULL",
				    cfg->nr_features);
	for (size_t i = 0; i < cfg->nr_features; i++) {
		r = read_one(req, cfg->features[i]);
		if (r < 0)
			return r;
	}
	if (cfg->has_nested)
		vc__feature_add(&req->plus, req->is_amd ? VC__F_svm : VC__F_vmx);

	/* What is asked for must not be, or need, what is taken out. */
	all = req->plus;
	vc__feature_add_bases(&all);
	clash = vc__feature_without(&all, &req->minus);
	clash = vc__feature_without(&all, &clash);
	first = first_of(&clash, &nr);
	if (first >= 0)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "CPU feature %s is both taken out and asked for, itself or by "
				    "a feature that needs it",
				    vc__feature_name((unsigned int)first));
	req->plus = all;
	return 0;
}

/* The set that a model starts from. */
static struct vc__feature_set start_set(const struct request *req, unsigned int level)
{
	struct vc__feature_set set = req->offered, needed, wanted;

	if (level) {
		vc__feature_level(level, &needed, &wanted);
		for (unsigned int w = 0; w < VC__CPU_WORDS; w++)
			set.words[w] = needed.words[w] | (wanted.words[w] & set.words[w]);
	}
	/* Nested virtualization only when asked for. */
	vc__feature_drop(&set, VC__F_vmx);
	vc__feature_drop(&set, VC__F_svm);
	return set;
}

static int choose_features(const struct request *req, const struct vc__cpu_kind *kind,
			   struct vc__feature_set *ret_set)
{
	struct vc__feature_set set = start_set(req, kind->level), lacking;
	char more[32] = "";
	unsigned int nr;
	int first;

	set = vc__feature_without(&set, &req->minus);
	for (unsigned int w = 0; w < VC__CPU_WORDS; w++)
		set.words[w] |= req->plus.words[w];
	/* SVM without its extensions is of no use: give all that the host has. */
	if (vc__feature_in(&set, VC__F_svm))
		set.words[VC__XA_EDX] |=
			req->offered.words[VC__XA_EDX] & ~req->minus.words[VC__XA_EDX];
	vc__feature_close(&set);

	lacking = vc__feature_without(&set, &req->offered);
	first = first_of(&lacking, &nr);
	if (first >= 0) {
		if (nr > 1)
			(void)snprintf(more, sizeof(more), " and %u more", nr - 1);
		return vc_error_set(-ENOTSUP, "cpu", "model",
				    "this host (%s) lacks CPU feature %s%s, which model %s with "
				    "the features asked for takes",
				    req->host->name, vc__feature_name((unsigned int)first), more,
				    kind->name);
	}
	*ret_set = set;
	return 0;
}

/* The checks of a configuration that need no host. */
static int init_model(struct vc_cpu_model *model, const struct vc_cpu_model_config *cfg)
{
	model->kind = find_kind(cfg->name ? cfg->name : "host");
	if (!model->kind)
		return -EINVAL;
	return vc__topology_init(&model->topo, cfg);
}

int vc__cpu_model_create(const struct vc__cpuid_host *host, const struct vc_cpu_model_config *cfg,
			 struct vc_cpu_model **ret_model)
{
	struct request req = { .host = host };
	vc_auto_free struct vc_cpu_model *model = NULL;
	size_t max = host->nr_leaves + 16; /* topology, and features alone in their leaf */
	uint32_t top;
	int r;

	if (max > VC__CPUID_LEAVES_MAX)
		return vc_error_set(-E2BIG, "cpu", "model",
				    "host with %zu CPUID leaves, at most %u", host->nr_leaves,
				    VC__CPUID_LEAVES_MAX - 16);
	model = calloc(1, sizeof(*model) + max * sizeof(model->leaves[0]));
	if (!model)
		return vc_error_set(-ENOMEM, "cpu", "model", "no memory for %zu leaves", max);
	r = init_model(model, cfg);
	if (r < 0)
		return r;
	top = vc__topology_apic_id(&model->topo, cfg->nr_vcpus - 1);
	if (top > host->max_apic_id)
		return vc_error_set(-EINVAL, "cpu", "model",
				    "topology needs APIC id %u, the highest here is %llu", top,
				    (unsigned long long)host->max_apic_id);
	model->is_amd = req.is_amd = is_amd_host(host);
	vc__cpuid_offered(host, &req.offered);
	r = read_list(&req, cfg);
	if (r == 0)
		r = choose_features(&req, model->kind, &model->features);
	if (r == 0)
		r = vc__cpuid_write(model, host, max);
	if (r < 0)
		return r;
	*ret_model = vc_take(model);
	return 0;
}

int vc_cpu_model_create(struct vc_host *host, const struct vc_cpu_model_config *user_cfg,
			struct vc_cpu_model **ret_model)
{
	struct vc_cpu_model_config cfg;
	struct vc__cpuid_host table = { 0 };
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (!host || !ret_model)
		return vc_error_set(-EINVAL, "cpu", "model", "no host or no place for the model");
	r = vc__host_cpuid(host, &table.leaves, &table.nr_leaves);
	if (r < 0)
		return r;
	if (cfg.has_nested && !vc_host_has(host, VC_CAP_NESTED))
		return vc_error_set(-ENOTSUP, "cpu", "model",
				    "this host (%s) lacks nested virtualization",
				    vc_backend_name(vc_host_backend(host)));
	table.name = vc_backend_name(vc_host_backend(host));
	table.max_apic_id = vc_host_limit(host, VC_LIMIT_VCPU_ID) - 1;
	return vc__cpu_model_create(&table, &cfg, ret_model);
}

int vc__cpu_model_cpuid(const struct vc_cpu_model *model, uint32_t idx,
			struct vc__cpuid_leaf *leaves, size_t nr)
{
	if (idx >= model->topo.nr_vcpus)
		return vc_error_set(-EINVAL, "cpu", "model", "made for %u vCPUs, there is no %u",
				    model->topo.nr_vcpus, idx);
	if (nr >= model->nr_leaves) {
		memcpy(leaves, model->leaves, model->nr_leaves * sizeof(leaves[0]));
		vc__topology_write_ids(&model->topo, idx, leaves, model->nr_leaves);
	}
	return (int)model->nr_leaves;
}

int vc_cpu_model_apic_id(const struct vc_cpu_model *model, uint32_t idx, uint32_t *ret_id)
{
	if (!model || !ret_id || idx >= model->topo.nr_vcpus)
		return vc_error_set(-EINVAL, "cpu", "model", "no APIC id of vCPU %u: model has %u",
				    idx, model ? model->topo.nr_vcpus : 0);
	*ret_id = vc__topology_apic_id(&model->topo, idx);
	return 0;
}

void vc_cpu_model_destroy(struct vc_cpu_model *model)
{
	free(model);
}

/* Feature names, as many on a line as fit. */
static void describe_features(const struct vc__feature_set *set, vc_text_fn fn, void *opaque)
{
	char line[96] = "features:";
	size_t used = strlen(line);

	for (unsigned int f = 0; f < VC__CPU_WORDS * 32; f++) {
		const char *name = vc__feature_in(set, f) ? vc__feature_name(f) : NULL;

		if (!name)
			continue;
		if (used + 1 + strlen(name) >= sizeof(line)) {
			fn(opaque, line);
			used = 0;
		}
		used += (size_t)snprintf(line + used, sizeof(line) - used, " %s", name);
	}
	fn(opaque, line);
}

int vc_cpu_model_describe(const struct vc_cpu_model *model, vc_text_fn fn, void *opaque)
{
	char line[96];

	if (!model || !fn)
		return vc_error_set(-EINVAL, "cpu", "model", "nothing to describe, or nowhere to");
	(void)snprintf(line, sizeof(line), "model: %s", model->kind->name);
	fn(opaque, line);
	(void)snprintf(line, sizeof(line),
		       "topology: %u sockets, %u dies, %u cores, %u threads for %u vCPUs",
		       model->topo.nr_sockets, model->topo.nr_dies, model->topo.nr_cores,
		       model->topo.nr_threads, model->topo.nr_vcpus);
	fn(opaque, line);
	describe_features(&model->features, fn, opaque);
	for (size_t i = 0; i < model->nr_leaves; i++) {
		const struct vc__cpuid_leaf *leaf = &model->leaves[i];

		(void)snprintf(
			line, sizeof(line), "cpuid %08x.%02x: eax %08x ebx %08x ecx %08x edx %08x",
			leaf->function, leaf->index, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
		fn(opaque, line);
	}
	return 0;
}
