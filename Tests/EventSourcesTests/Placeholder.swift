import Testing

@Suite struct EventSourcesPlaceholder {
    @Test func builds() {}
}
