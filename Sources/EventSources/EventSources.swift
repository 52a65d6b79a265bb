// Module EventSources.
