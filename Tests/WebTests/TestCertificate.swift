/// Self-signed certificates for `localhost`, valid for a hundred years, and their keys. They are used in tests only.
enum TestCertificate {
    /// Has the common name `localhost`.
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUGgAwIBAgIUV5neG+SMdFbmaZ2FTrd+4qKj3iYwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDEyNTcwNFoYDzIxMjYxMTA2
        MTI1NzA0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQspwpylnlqGD89i7Fp45hUVNjoyjErIW2M0jwN8e8q1Akt45MOqX9/
        5Zm0Hwv5fCGy1+TpnvYaCGFXmJWVlvm2o28wbTAdBgNVHQ4EFgQU1irEKYytk4zn
        AQBpCCdp5+Yxj6owHwYDVR0jBBgwFoAU1irEKYytk4znAQBpCCdp5+Yxj6owDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDSAAwRQIgcdOiGnALvZKATLtYSvpat6bSIWz94sl/xB416QB/KVYCIQCl
        tUfbb7BR5Ub2nlBykJOOeX9zEaabB9Ig/TstYEkbCA==
        -----END CERTIFICATE-----

        """
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHEtOOTLJQDw1esvr
        Fx6ZKBLqBu1gzPJSy1bajOQ0KLmhRANCAAQspwpylnlqGD89i7Fp45hUVNjoyjEr
        IW2M0jwN8e8q1Akt45MOqX9/5Zm0Hwv5fCGy1+TpnvYaCGFXmJWVlvm2
        -----END PRIVATE KEY-----

        """

    /// Has the common name `renewed`.
    static let renewedCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmDCCAT2gAwIBAgIUK5WBboaleM6L5yc3MyVH0hNhLYYwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHcmVuZXdlZDAgFw0yNjExMzAxMjU3MDRaGA8yMTI2MTEwNjEy
        NTcwNFowEjEQMA4GA1UEAwwHcmVuZXdlZDBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABN4wtH1GdzDhzk0DSysp6Mh0tX5SkXtxLDoSlNrdIBlqTLvVMqtA6FM9m78Y
        kz7sKf4wGI8QnlLTuYfoPF62pkyjbzBtMB0GA1UdDgQWBBROA2pqxnKo47Fx8h56
        456dnNRuPjAfBgNVHSMEGDAWgBROA2pqxnKo47Fx8h56456dnNRuPjAPBgNVHRMB
        Af8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAKBggqhkjOPQQD
        AgNJADBGAiEAouukIp93rZi/exKzMGqST/iYjqKfsX4GLLxmEm2RvYICIQCN4bbB
        XxDC4CS4rrDGcYQxMlbyoeo1IPRTKDb/1dJX4A==
        -----END CERTIFICATE-----

        """
    static let renewedKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2N3ZInpxxCWmpQBE
        9XuDj5++zGktFkQjJ1CgZlLyW8WhRANCAATeMLR9Rncw4c5NA0srKejIdLV+UpF7
        cSw6EpTa3SAZaky71TKrQOhTPZu/GJM+7Cn+MBiPEJ5S07mH6DxetqZM
        -----END PRIVATE KEY-----

        """
}
