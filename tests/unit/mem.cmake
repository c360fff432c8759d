# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/mem
vc_add_unit_test(test_dirty LAYERS mem)
vc_add_unit_test(test_map LAYERS mem)
vc_add_unit_test(test_slice LAYERS mem)
