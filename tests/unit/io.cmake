# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/io
vc_add_unit_test(test_stream LAYERS io)
vc_add_unit_test(test_stream_end LAYERS io)
vc_add_unit_test(test_stream_pty LAYERS io)
vc_add_unit_test(test_stream_unix LAYERS io)
vc_add_unit_test(test_throttle LAYERS io LIBS pthread)
