# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/vm
vc_add_unit_test(test_events LAYERS vm)
vc_add_unit_test(test_life LAYERS vm)
vc_add_unit_test(test_runner LAYERS vm)
vc_add_unit_test(test_vm_exit LAYERS vm)
