#pragma once

namespace gatehouse::test {

/// The thread a process's life hangs by. Everything that has an effect outside (a request to the
/// CA, a write to storage) is a step; at the chosen one the process dies: nothing it does from then
/// on has any effect. A new life over the same CA and storage begins with revive().
class Lifeline {
 public:
  enum class At { before, after };  // the step's effect

  void cut(int step, At at) {
    left_ = step;
    at_ = at;
    alive_ = true;
  }
  void revive() {
    left_ = -1;
    alive_ = true;
  }
  bool alive() const { return alive_; }
  int steps() const { return steps_; }

  /// Counts one step. False: it has no effect.
  bool begin_step() {
    ++steps_;
    if (!alive_) return false;
    if (left_ < 0 || --left_ > 0) return true;
    alive_ = at_ == At::after;
    if (alive_) dying_ = true;
    return alive_;
  }
  /// False: it took effect but nobody learns of it.
  bool end_step() {
    if (dying_) alive_ = false;
    dying_ = false;
    return alive_;
  }

 private:
  int left_ = -1;
  int steps_ = 0;
  At at_ = At::before;
  bool alive_ = true;
  bool dying_ = false;
};

}  // namespace gatehouse::test
