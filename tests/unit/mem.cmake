# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/mem
vc_add_unit_test(test_alloc LAYERS mem)
vc_add_unit_test(test_dirty LAYERS mem)
vc_add_unit_test(test_map LAYERS mem)
vc_add_unit_test(test_numa LAYERS mem WRAP open64 syscall)
vc_add_unit_test(test_populate LAYERS mem WRAP madvise pthread_create)
vc_add_unit_test(test_region_check LAYERS mem)
vc_add_unit_test(test_shortage LAYERS mem WRAP open64 getrlimit64)
vc_add_unit_test(test_slice LAYERS mem)
vc_add_unit_test(test_sysfs LAYERS mem)
