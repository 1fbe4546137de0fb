"""Flags that several commands share, each the short form of a configuration key."""

FLAGS = {
    "norm": "normalization layer, such as cn or cn:groups=16,axis=token",
    "strategy": "continual-learning strategy, such as replay or replay:per_class=10",
    "backbone": "video backbone",
    "dataset": "dataset, such as synthetic:classes=20",
    "data-root": "folder of the videos and split files",
    "seed": "seed of class order, weights, batches and memory",
    "out": "folder that run folders go into (default: runs)",
}
