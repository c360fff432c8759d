# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/base
vc_add_unit_test(test_config LAYERS base)
vc_add_unit_test(test_crc32c LAYERS base)
vc_add_unit_test(test_error LAYERS base WRAP malloc)
vc_add_unit_test(test_log LAYERS base WRAP clock_gettime)
vc_add_unit_test(test_state_reader LAYERS base)
vc_add_unit_test(test_state_writer LAYERS base)
vc_add_unit_test(test_text LAYERS base)
