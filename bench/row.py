"""One line of the table: a figure a round and peer."""
from measure import Figures


class Row:
    def __init__(self, key, title, unit, target=None):
        self.key, self.title, self.unit, self.target = key, title, unit, target
        self.figures = Figures()
        self.errors = {}
        self.latency = {}
        self.rates = Figures()  # requests a second
