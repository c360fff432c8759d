/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirtcore: the VMM as a C library. Everything a program that *uses* it needs. Those who
 * implement devices or streams also include device.h and implement.h.
 */
#ifndef LIBVIRTCORE_H
#define LIBVIRTCORE_H

#include <libvirtcore/block.h>
#include <libvirtcore/boot.h>
#include <libvirtcore/error.h>
#include <libvirtcore/host.h>
#include <libvirtcore/irq.h>
#include <libvirtcore/mem.h>
#include <libvirtcore/net.h>
#include <libvirtcore/partition.h>
#include <libvirtcore/platform.h>
#include <libvirtcore/region.h>
#include <libvirtcore/ring.h>
#include <libvirtcore/run.h>
#include <libvirtcore/runner.h>
#include <libvirtcore/seed.h>
#include <libvirtcore/snapshot.h>
#include <libvirtcore/stream.h>
#include <libvirtcore/throttle.h>
#include <libvirtcore/types.h>
#include <libvirtcore/vcpu.h>
#include <libvirtcore/vcpu_state.h>
#include <libvirtcore/virtio_devices.h>
#include <libvirtcore/vm.h>
#include <libvirtcore/vm_device.h>

#endif /* LIBVIRTCORE_H */
