# Language level, warnings and instrumentation, carried by ONE interface target
# that every first-party target links privately. Third-party code never does.
include(CTest)
option(VT_WERROR "Treat warnings as errors (developer and CI builds)" OFF)
set(VT_SANITIZE "" CACHE STRING "Comma-separated -fsanitize= list, or empty")
set(VT_LINK "static" CACHE STRING "static: vt, vtaskd and vt-keeper have no dynamic section; shared: for packagers and sanitizers")
set_property(CACHE VT_LINK PROPERTY STRINGS static shared)

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# The price of a rebuild is the compiler: use ccache, and mold, where found.
find_program(VT_CCACHE ccache)
if(VT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${VT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${VT_CCACHE})
endif()

add_library(vt_standard INTERFACE)
target_compile_features(vt_standard INTERFACE cxx_std_20)
target_compile_options(vt_standard INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wcast-align -Wextra-semi -Wimplicit-fallthrough -Wformat=2 -Wundef
  -Wold-style-cast -Wconversion -Wno-sign-conversion
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>
  $<$<CXX_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wsuggest-override>
  $<$<BOOL:${VT_WERROR}>:-Werror>)
target_compile_definitions(vt_standard INTERFACE
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(VT_SANITIZE)
  set(VT_LINK "shared" CACHE STRING "" FORCE)
  target_compile_options(vt_standard INTERFACE -fsanitize=${VT_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vt_standard INTERFACE -fsanitize=${VT_SANITIZE})
endif()
# Of every test, for the environment of its processes. A daemon in a hurry leaves
# threads behind (Daemon::Run).
set(VT_SANITIZER_ENVIRONMENT)
if(VT_SANITIZE MATCHES "thread")
  set(VT_SANITIZER_ENVIRONMENT
    "TSAN_OPTIONS=report_thread_leaks=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp")
endif()
