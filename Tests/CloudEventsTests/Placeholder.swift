import Testing

@Suite struct CloudEventsPlaceholder {
    @Test func builds() {}
}
