# The third-party libraries, found once. First-party code links vt::dep::NAME
# only, so that a change of packaging (names, archives, vendored) stays here.
#
# Libraries are given to the linker by name (-lgrpc++), inside one group a
# dependency: the same words then serve shared objects (unit tests, sanitizers,
# distribution packages) and archives (executables linked with -static, see
# vt_executable). Debian's CMake packages name shared objects only.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_program(VT_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# vt_dependency(NAME MODULES pkg-config names LIBS further library names)
function(vt_dependency name)
  cmake_parse_arguments(d "" "" "MODULES;LIBS" ${ARGN})
  set(flags ${d_LIBS})
  if(d_MODULES)
    pkg_check_modules(vt_pc_${name} REQUIRED ${d_MODULES})
    list(PREPEND flags ${vt_pc_${name}_STATIC_LDFLAGS})
  endif()
  list(FILTER flags EXCLUDE REGEX "^-Wl,--(push|pop)-state|^-Wl,--as-needed|^-L")
  list(REMOVE_DUPLICATES flags)
  list(JOIN flags " " flags)
  add_library(vt_dep_${name} INTERFACE)
  # One item, so that CMake neither reorders nor deduplicates inside the group.
  target_link_libraries(vt_dep_${name} INTERFACE
    "-Wl,--start-group ${flags} -Wl,--end-group" Threads::Threads)
  add_library(vt::dep::${name} ALIAS vt_dep_${name})
endfunction()

if(VT_LINK STREQUAL "static")
  set(VT_UV_LIBS -luv_a -ldl -lrt)
else()
  set(VT_UV_LIBS -luv)
endif()

vt_dependency(absl MODULES absl_status absl_statusor absl_strings absl_str_format
  absl_synchronization absl_time absl_flat_hash_map absl_flat_hash_set
  absl_any_invocable absl_cleanup absl_span)
vt_dependency(uv LIBS ${VT_UV_LIBS})
vt_dependency(lz4 MODULES liblz4)
vt_dependency(crypto MODULES libcrypto LIBS -ldl)
vt_dependency(nghttp2 MODULES libnghttp2)
vt_dependency(yaml LIBS -lyaml-cpp)
# Debian's rocksdb.pc does not list what the archive itself was built against.
vt_dependency(rocksdb LIBS -lrocksdb -lsnappy -lgflags -lz -lbz2 -lzstd -llz4 -ldl)
vt_dependency(protobuf MODULES protobuf)
vt_dependency(protobuf_lite MODULES protobuf-lite)
vt_dependency(grpc MODULES grpc++ protobuf absl_synchronization LIBS -lgrpc++_reflection)
