"""medweave: from a handful of expert masks and many unlabeled images to a model fit to be promoted."""

__version__ = "0.1.0"
