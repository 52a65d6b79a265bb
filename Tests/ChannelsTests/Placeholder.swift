import Testing

@Suite struct ChannelsPlaceholder {
    @Test func builds() {}
}
