"""Figures as a Markdown table."""
import statistics


def cell(row, peer):
    if peer not in row.figures.by_peer:
        return "–"
    low, high = row.figures.spread(peer)
    text = in_table(row.figures.median(peer))
    if len(row.figures.by_peer[peer]) > 1:
        text += f" ({in_table(low)}–{in_table(high)})"
    if row.errors.get(peer):
        text += f" **{row.errors[peer]} errors**"
    return text


def whose(row):
    """Ours, or the floor's where a row tells of that alone."""
    return "gatehouse" if "gatehouse" in row.figures.by_peer else "floor"


def ratio(row):
    """Ours to the best of the others: the median of the rounds and their spread."""
    others = [peer for peer in row.figures.peers() if peer not in ("gatehouse", "before", "floor", "heads", "parts", "uring")] or \
        [peer for peer in row.figures.peers() if peer == "before"]
    # Who leaves requests out is not compared with.
    others = [peer for peer in others if not row.errors.get(peer) and peer in (row.against or others)]
    if whose(row) not in row.figures.by_peer or not others:
        return "–"
    best = min(others, key=row.figures.median)
    all_ratios = row.figures.ratios(whose(row), best)
    text = f"{statistics.median(all_ratios):.2f}"
    if len(all_ratios) > 1:
        text += f" ({min(all_ratios):.2f}–{max(all_ratios):.2f})"
    text += f" of {best}"
    if row.target is not None:
        text += f"; target {row.target:.2f}"
    return text


def latency(row, peer):
    if peer not in row.latency:
        return "–"
    middles, tails = zip(*row.latency[peer])
    spread = f" ({min(tails):.2f}–{max(tails):.2f})" if len(tails) > 1 else ""
    return f"{statistics.median(middles):.2f} / {statistics.median(tails):.2f}{spread}"


def table(rows, peers):
    lines = [f"| | scenario | unit | {' | '.join(peers)} | ratio |", "|---" * (len(peers) + 4) + "|"]
    for row in rows:
        lines.append(f"| {row.key} | {row.title} | {row.unit} | {' | '.join(cell(row, p) for p in peers)} | {ratio(row)} |")
    return lines


def in_table(figure):
    """1.73e+03 says little to people."""
    return f"{figure:.3g}" if figure < 1000 else f"{figure:,.0f}"


def markdown(told, rows):
    """One table of those compared with others, one of our own against ourselves."""
    names = list(told["versions"])
    compared = [row for row in rows if set(row.figures.peers()) <= set(names) and len(row.figures.peers()) > 1]
    alone = [row for row in rows if row not in compared]
    peers = [name for name in names if any(name in row.figures.by_peer for row in compared)]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines = [f"{told['date']}, {told['cpus']} CPUs ({told['machine']}), kernel {told['kernel']}, {told['rounds']} rounds interleaved; "
             f"{versions}; {', '.join(told['tools'])}."]
    if compared:
        lines += ["", *table(compared, peers)]
    if alone:
        lines += ["", "Gatehouse alone, beside itself:", "", "| | scenario | unit | this | beside | ratio |", "|---" * 6 + "|"]
        for row in alone:
            this = whose(row)
            beside = "; ".join(f"{p}: {cell(row, p)}" for p in row.figures.peers() if p != this) or "–"
            lines.append(f"| {row.key} | {row.title} | {row.unit} | {cell(row, this)} | {beside} | {ratio(row)} |")
    latencies = [row for row in rows if row.latency]
    if latencies:
        lines += ["", "p50 / p99 at 2,000 requests a second, in ms:", "", f"| scenario | {' | '.join(peers)} |",
                  "|---" * (len(peers) + 1) + "|"]
        for row in latencies:
            lines.append(f"| {row.latency_title} | {' | '.join(latency(row, p) for p in peers)} |")
    fast = [row for row in compared if row.rates.peers()]
    if fast:
        lines += ["", "Requests a second, with load and backend on one CPU, which is mostly what bounds them:", "",
                  f"| scenario | {' | '.join(peers)} |", "|---" * (len(peers) + 1) + "|"]
        for row in fast:
            cells = [in_table(row.rates.median(p)) if p in row.rates.by_peer else "–" for p in peers]
            lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
