// Module Persistence.
