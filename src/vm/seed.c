/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed of a guest's first boot: user-data, meta-data and network-config, by the names and with the
 * label that cloud-init's data source NoCloud looks for, as a sealed memfd. Any thread. What the files
 * say is cloud-init's business; only their sizes are looked at. [cloud-init NoCloud]
 */
#include "iso9660.h"
#include "source.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/seed.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUBSYSTEM    "seed"
#define LABEL	     "cidata"
#define NAME_MAX_LEN 64u

static int check_name(const char *what, const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = name != NULL ? strlen(name) : 1;

	if (name == NULL || (len >= 1 && len <= NAME_MAX_LEN && strspn(name, allowed) == len))
		return 0;
	return vc_error_set(-EINVAL, SUBSYSTEM, what,
			    "\"%.80s\": 1 to %u of A-Z a-z 0-9 . _ - expected", name, NAME_MAX_LEN);
}

static bool is_given(const struct vc_source *source)
{
	return source->path != NULL || source->buf != NULL;
}

static int check(const struct vc_seed_config *cfg)
{
	int r;

	if (!is_given(&cfg->user_data))
		return vc_error_set(-EINVAL, SUBSYSTEM, "user-data", "none given");
	if (is_given(&cfg->meta_data) && (cfg->instance_id != NULL || cfg->hostname != NULL))
		return vc_error_set(-EINVAL, SUBSYSTEM, "meta-data",
				    "both the file and its instance-id or hostname given");
	r = check_name("instance-id", cfg->instance_id);
	return r < 0 ? r : check_name("hostname", cfg->hostname);
}

/* Reads a source to memory, at most *@room bytes of it. */
static int read_all(const struct vc_source *from, size_t *room, struct vc__iso_file *file,
		    void **ret_data)
{
	struct vc__source source = { .fd = -EBADF };
	void *data;
	int r = vc__source_open(from, file->name, &source);

	if (r < 0)
		return r;
	if (source.len > *room)
		r = vc_error_set(-EFBIG, SUBSYSTEM, source.name,
				 "%" PRIu64 " bytes, there is room for %zu of %u", source.len,
				 *room, VC_SEED_BYTES_MAX);
	data = r < 0 ? NULL : malloc((size_t)source.len + 1);
	if (r == 0 && data == NULL)
		r = vc_error_set(-ENOMEM, SUBSYSTEM, source.name, "no memory");
	if (r == 0)
		r = vc__source_read(&source, 0, data, source.len);
	if (r == 0) {
		file->data = *ret_data = data;
		file->len = (uint32_t)source.len;
		*room -= (size_t)source.len;
	} else {
		free(data);
	}
	vc__source_close(&source);
	return r;
}

/* Another configuration gets another instance-id, so that cloud-init takes notice. */
static size_t make_meta(const struct vc_seed_config *cfg, const struct vc__iso_file *user,
			const struct vc__iso_file *network, char *buf, size_t size)
{
	uint32_t crc = vc_crc32c_update(0, user->data, user->len);
	int len;

	crc = vc_crc32c_update(crc, network->data, network->len);
	if (cfg->hostname != NULL)
		crc = vc_crc32c_update(crc, cfg->hostname, strlen(cfg->hostname));
	if (cfg->instance_id != NULL)
		len = snprintf(buf, size, "instance-id: %s\n", cfg->instance_id);
	else
		len = snprintf(buf, size, "instance-id: iid-%08" PRIx32 "\n", crc);
	if (cfg->hostname != NULL)
		len += snprintf(buf + len, size - (size_t)len, "local-hostname: %s\n",
				cfg->hostname);
	return (size_t)len;
}

static int write_all(int fd, const uint8_t *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, buf + done, len - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int make_memfd(const uint8_t *image, size_t len, int *ret_fd)
{
	vc_auto_close int fd = memfd_create("vc-seed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : write_all(fd, image, len);

	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0)
		return vc_error_set(r, SUBSYSTEM, "image", "%zu bytes in a memfd: %s", len,
				    strerrordesc_np(-r));
	*ret_fd = vc_take_fd(fd);
	return 0;
}

int vc_seed_create(const struct vc_seed_config *user_cfg, int *ret_fd)
{
	struct vc__iso_file meta = { .name = "meta-data", .short_name = "META_DAT.A" };
	struct vc__iso_file network = { .name = "network-config", .short_name = "NETWORK_.CON" };
	struct vc__iso_file user = { .name = "user-data", .short_name = "USER_DAT.A" };
	vc_auto_free void *user_bytes = NULL, *network_bytes = NULL, *meta_bytes = NULL;
	vc_auto_free uint8_t *image = NULL;
	char made[2 * NAME_MAX_LEN + 64];
	struct vc__iso_file files[3];
	struct vc_seed_config cfg;
	size_t room = VC_SEED_BYTES_MAX, len, nr = 0;
	int r = vc_config_copy(&cfg, sizeof(cfg), user_cfg);

	if (r < 0)
		return r;
	if (ret_fd == NULL)
		return vc_error_set(-EINVAL, SUBSYSTEM, "image", "no place for the descriptor");
	if ((r = check(&cfg)) < 0 ||
	    (r = read_all(&cfg.user_data, &room, &user, &user_bytes)) < 0 ||
	    (r = read_all(&cfg.network_config, &room, &network, &network_bytes)) < 0 ||
	    (r = read_all(&cfg.meta_data, &room, &meta, &meta_bytes)) < 0)
		return r;
	if (!is_given(&cfg.meta_data)) {
		meta.len = (uint32_t)make_meta(&cfg, &user, &network, made, sizeof(made));
		meta.data = made;
	}
	files[nr++] = meta; /* in the order of their names */
	if (is_given(&cfg.network_config))
		files[nr++] = network;
	files[nr++] = user;
	r = vc__iso_make(LABEL, files, nr, &image, &len);
	if (r < 0)
		return vc_error_set(r, SUBSYSTEM, "image", "no memory");
	return make_memfd(image, len, ret_fd);
}
