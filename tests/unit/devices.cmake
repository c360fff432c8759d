# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/devices
vc_add_unit_test(test_bus LAYERS devices)
vc_add_unit_test(test_debug_exit LAYERS devices)
vc_add_unit_test(test_device LAYERS devices)
vc_add_unit_test(test_i8042 LAYERS devices)
vc_add_unit_test(test_pm LAYERS devices)
vc_add_unit_test(test_pvpanic LAYERS devices)
vc_add_unit_test(test_request_device LAYERS devices)
vc_add_unit_test(test_serial8250 LAYERS devices)
vc_add_unit_test(test_serial8250_state LAYERS devices)
