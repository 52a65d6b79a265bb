// Module Sandboxes.
