#include "proxy/control/cli.hpp"

int main(int count, char** arguments) {
  return gatehouse::control::main_with({arguments + 1, arguments + count});
}
