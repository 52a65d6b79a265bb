import Testing

@Suite struct DeliveryPlaceholder {
    @Test func builds() {}
}
