"""Backbones without labels: from scenes, of which what is hidden is to be told, and from
simulated patches.
"""
