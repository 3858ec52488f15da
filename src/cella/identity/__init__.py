"""Who says who somebody is besides ourselves: providers of identity, and how they are asked."""
