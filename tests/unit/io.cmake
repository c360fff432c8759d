# SPDX-License-Identifier: Apache-2.0
# Unit tests of src/io
vc_add_unit_test(test_stream LAYERS io)
vc_add_unit_test(test_stream_end LAYERS io)
vc_add_unit_test(test_stream_pty LAYERS io)
vc_add_unit_test(test_stream_unix LAYERS io)
vc_add_unit_test(test_throttle LAYERS io LIBS pthread)
vc_add_unit_test(test_ring LAYERS io LIBS pthread)
vc_add_unit_test(test_ring_loop LAYERS io LIBS pthread)
vc_add_unit_test(test_ring_post LAYERS io LIBS pthread)
vc_add_unit_test(test_ring_queue LAYERS io LIBS pthread)
# Looks behind the ring, at its io_uring.
vc_add_unit_test(test_ring_uring LAYERS io LIBS pthread uring)
