"""Task sources: a folder of Markdown files, the queue, and the output of any program.

Every source turns what it finds into the same values: tasks, and problems that name what was refused.
"""
