"""Speech as data: manifests, preparation, the HDF5 store, and the samples and batches drawn from it."""
