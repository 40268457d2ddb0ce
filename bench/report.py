"""Figures as a Markdown table."""
import statistics


def cell(row, peer):
    if peer not in row.figures.by_peer:
        return "–"
    low, high = row.figures.spread(peer)
    text = f"{row.figures.median(peer):.3g}"
    if len(row.figures.by_peer[peer]) > 1:
        text += f" ({low:.3g}–{high:.3g})"
    if row.errors.get(peer):
        text += f" **{row.errors[peer]} errors**"
    return text


def ratio(row):
    """Ours to the best of the others: the median of the rounds and their spread."""
    others = [peer for peer in row.figures.peers() if peer != "gatehouse"]
    if "gatehouse" not in row.figures.by_peer or not others:
        return "–"
    best = min(others, key=row.figures.median)
    all_ratios = row.figures.ratios("gatehouse", best)
    text = f"{statistics.median(all_ratios):.2f}"
    if len(all_ratios) > 1:
        text += f" ({min(all_ratios):.2f}–{max(all_ratios):.2f})"
    text += f" of {best}"
    if row.target is not None:
        text += f"; target {row.target:.2f}"
    return text


def markdown(told, rows):
    peers = []
    for row in rows:
        peers += [peer for peer in row.figures.peers() if peer not in peers]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines = [f"{told['date']}, {told['cpus']} CPUs, kernel {told['kernel']}, {told['rounds']} rounds interleaved; {versions}.",
             "", f"| | scenario | unit | {' | '.join(peers)} | ratio |", "|---" * (len(peers) + 4) + "|"]
    for row in rows:
        lines.append(f"| {row.key} | {row.title} | {row.unit} | {' | '.join(cell(row, p) for p in peers)} | {ratio(row)} |")
    latencies = [row for row in rows if row.latency]
    if latencies:
        lines += ["", "p50 / p99 at 2,000 requests a second, in ms:", "", f"| scenario | {' | '.join(peers)} |",
                  "|---" * (len(peers) + 1) + "|"]
        for row in latencies:
            cells = [f"{row.latency[p][0]:.2f} / {row.latency[p][1]:.2f}" if p in row.latency else "–" for p in peers]
            lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
