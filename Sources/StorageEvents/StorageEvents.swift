// Module StorageEvents.
