# `cmake --install`: the binary, the example configurations and the systemd unit.
install(TARGETS gatehouse RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        FILES_MATCHING PATTERN "*.toml" PATTERN "*.yaml")
# Units are looked for under lib, never under the multi-arch directory. The unit names the binary
# where it was installed.
file(READ ${CMAKE_SOURCE_DIR}/examples/gatehouse.service unit)
string(REPLACE "/usr/bin/gatehouse" "${CMAKE_INSTALL_FULL_BINDIR}/gatehouse" unit "${unit}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/gatehouse.service CONTENT "${unit}" @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/gatehouse.service DESTINATION lib/systemd/system)
# A configuration that somebody wrote is never overwritten.
install(CODE "
  set(config \"\$ENV{DESTDIR}${CMAKE_INSTALL_FULL_SYSCONFDIR}/gatehouse/gatehouse.toml\")
  if(NOT EXISTS \"\${config}\")
    message(STATUS \"Installing: \${config}\")
    configure_file(\"${CMAKE_SOURCE_DIR}/examples/gatehouse.toml\" \"\${config}\" COPYONLY)
  endif()")
