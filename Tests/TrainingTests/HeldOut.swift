import Datasets

enum HeldOut {
    static func contains(_ text: String, share: Double) -> Bool {
        Sample(text: text, hash: Sample.hash(of: text)).isHeldOut(share: share)
    }
}
