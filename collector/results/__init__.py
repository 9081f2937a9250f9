"""What the answers say: figures over periods and parts, and exports. It only reads.

Begin with `figures`; how a figure is computed stands in `collector.surveys.metrics`.
"""
