"""One line of the table: a figure a round and peer."""
from measure import Figures


class Row:
    def __init__(self, key, title, unit, target=None, against=None):
        self.key, self.title, self.unit, self.target = key, title, unit, target
        self.against = against  # names of those that the ratio may be to; None: all
        self.figures = Figures()
        self.errors = {}
        self.latency = {}  # peer -> [(p50, p99), ...], a pair a round
        self.latency_title = None
        self.rates = Figures()  # requests a second
