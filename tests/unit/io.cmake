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
vc_register_test(test_ring_post.long COMMAND test_ring_post 1000000 LABELS unit tsan TIMEOUT 600 LONG)
vc_add_unit_test(test_ring_queue LAYERS io LIBS pthread)
vc_add_unit_test(test_ring_numa LAYERS io LIBS pthread WRAP open64)
vc_add_unit_test(test_ring_pool LAYERS io LIBS pthread WRAP io_uring_queue_init_params)
vc_add_unit_test(test_ring_thread LAYERS io LIBS pthread)
# The same promises with every engine.
foreach(mode workers)
  foreach(part ring ring_loop ring_post ring_queue ring_thread)
    vc_register_test(test_${part}.${mode} COMMAND test_${part} ${mode} LABELS unit)
  endforeach()
endforeach()
# Looks behind the ring, at its io_uring.
vc_add_unit_test(test_ring_uring LAYERS io LIBS pthread uring)
