# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/devices
vc_add_unit_test(test_bus LAYERS devices WRAP calloc realloc)
vc_add_unit_test(test_debug_exit LAYERS devices)
vc_add_unit_test(test_device LAYERS devices)
vc_add_unit_test(test_i8042 LAYERS devices)
vc_add_unit_test(test_pm LAYERS devices)
vc_add_unit_test(test_pvpanic LAYERS devices)
vc_add_unit_test(test_request_device LAYERS devices)
vc_add_unit_test(test_serial8250 LAYERS devices)
vc_add_unit_test(test_serial8250_state LAYERS devices)
vc_add_unit_test(test_rtc LAYERS devices WRAP clock_gettime timerfd_settime)
vc_add_unit_test(test_rtc_clock LAYERS devices)
vc_add_unit_test(test_rtc_state LAYERS devices WRAP clock_gettime timerfd_settime)
# The hypervisor's side of the I/O APIC is the test's.
set(ioapic_wrap vc_irq_create_pin vc_irq_destroy vc_irq_send_msi vc_irq_set_msi)
vc_add_unit_test(test_ioapic LAYERS devices WRAP ${ioapic_wrap})
vc_add_unit_test(test_ioapic_state LAYERS devices WRAP ${ioapic_wrap})
# Queues against the driver of tests/virtio.
set(virtio_dir "${PROJECT_SOURCE_DIR}/tests/virtio")
foreach(name test_virtq test_virtq_packed test_virtq_split test_virtq_state)
  vc_add_unit_test(${name} LAYERS devices SOURCES ${name}.c ${virtio_dir}/driver.c)
  target_include_directories(${name} PRIVATE ${virtio_dir})
endforeach()
