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
vc_add_unit_test(test_ring_memory LAYERS io mem LIBS pthread uring
  WRAP io_uring_register_buffers_update_tag io_uring_register_buffers_sparse)
vc_add_unit_test(test_ring_numa LAYERS io LIBS pthread WRAP open64)
vc_add_unit_test(test_ring_pool LAYERS io LIBS pthread WRAP io_uring_queue_init_params)
vc_add_unit_test(test_ring_setup LAYERS io LIBS pthread uring
  WRAP io_uring_queue_init_params io_uring_register io_uring_register_files_sparse)
vc_add_unit_test(test_ring_thread LAYERS io LIBS pthread)
# The same promises with every engine.
foreach(mode workers sqpoll iopoll)
  foreach(part ring ring_loop ring_memory ring_post ring_queue ring_thread)
    vc_register_test(test_${part}.${mode} COMMAND test_${part} ${mode} LABELS unit TIMEOUT 180)
  endforeach()
endforeach()
# Looks behind the ring, at its io_uring.
vc_add_unit_test(test_ring_uring LAYERS io LIBS pthread uring
  WRAP malloc calloc realloc pthread_mutex_lock)
# The oldest kernel that is supported.
if(NOT VC_SANITIZE AND NOT VC_COVERAGE)
  foreach(test ring_queue ring_uring ring_pool)
    vc_register_test(lab.io.test_${test} LABELS lab TIMEOUT 600 LONG SERIAL
      COMMAND ${PROJECT_SOURCE_DIR}/tests/lab/lab kvm $<TARGET_FILE:test_${test}>)
  endforeach()
  vc_register_test(lab.io.iopoll LABELS lab TIMEOUT 600 LONG SERIAL
    COMMAND ${PROJECT_SOURCE_DIR}/tests/lab/iopoll_test $<TARGET_FILE:test_ring_uring>)
endif()
vc_add_unit_test(test_block_queue LAYERS io)
vc_add_unit_test(test_blk_lock LAYERS io)
vc_add_unit_test(test_blk_open LAYERS io)
vc_add_unit_test(test_block LAYERS io)
vc_add_unit_test(test_blk_ram LAYERS io)
vc_add_unit_test(test_blk_bounce LAYERS io)
vc_add_unit_test(test_blk_file LAYERS io WRAP vc_ring_submit)
vc_add_unit_test(test_blk_file_io LAYERS io WRAP vc_ring_submit preadv64v2 pwritev64v2 TIMEOUT 120)
foreach(mode workers sqpoll iopoll)
  foreach(part blk_file blk_file_io)
    vc_register_test(test_${part}.${mode} COMMAND test_${part} ${mode} LABELS unit TIMEOUT 300)
  endforeach()
endforeach()
