# find_package(vtask_client): vtask::client (shared), vtask::client_static.
get_filename_component(_vtask_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET vtask::client)
  add_library(vtask::client SHARED IMPORTED)
  set_target_properties(vtask::client PROPERTIES
    IMPORTED_LOCATION "${_vtask_prefix}/lib/libvtask_client.so.1"
    IMPORTED_SONAME libvtask_client.so.1
    INTERFACE_INCLUDE_DIRECTORIES "${_vtask_prefix}/include")
  add_library(vtask::client_static STATIC IMPORTED)
  set_target_properties(vtask::client_static PROPERTIES
    IMPORTED_LOCATION "${_vtask_prefix}/lib/libvtask_client.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_vtask_prefix}/include")
endif()
unset(_vtask_prefix)
