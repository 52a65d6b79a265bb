import Testing

@Suite struct StorageEventsPlaceholder {
    @Test func builds() {}
}
