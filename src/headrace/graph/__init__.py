"""What a user writes: tasks, the edges between them, conditions and triggers, and the graph they make.

The graph knows how tasks relate and nothing of how they are run: `flows.Flow` adds that.
"""
