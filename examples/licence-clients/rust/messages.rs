//! What a user is told, by code. A code that is not known is told as a shop that cannot answer.

/// The words for a code.
pub fn of(code: &str) -> &'static str {
    match code {
        "VALID" => "The licence is valid.",
        "DEACTIVATED" => "The licence is free. It can be activated on another device.",
        "NO_LICENCE" => "There is no licence on this device yet. Enter your licence key.",
        "MALFORMED_KEY" => {
            "This is no licence key. A key looks like LIC-XXXX-XXXX-XXXX; yours is in your account at the shop."
        }
        "LICENCE_NOT_FOUND" => {
            "The shop does not know this licence key. Compare it with the one in your account."
        }
        "LICENCE_MAX_ACTIVATIONS" => {
            "The licence is active on another device. Deactivate it there or in your account, then try again."
        }
        "LICENCE_SUSPENDED" => {
            "The licence is suspended, as while a payment is disputed. Please ask the shop."
        }
        "LICENCE_REVOKED" => {
            "The licence was revoked, as after a refund. Please ask the shop if you did not expect this."
        }
        "LICENCE_EXPIRED" => "The licence has ended. Renew it in the shop.",
        "NOT_ACTIVATED" => {
            "The licence was freed for another device. Activate it again to use it on this one."
        }
        "FINGERPRINT_MISMATCH" => {
            "The licence is now active on another device. Free it there or in your account to use it here."
        }
        "WRONG_PRODUCT" => "This licence is for another product.",
        "CERTIFICATE_INVALID" => {
            "The licence certificate cannot be relied on: it is damaged, or not made for this device. Connect to the \
             internet and try again."
        }
        "OFFLINE_TOO_LONG" => {
            "The licence has not been checked for too long. Connect to the internet and start again."
        }
        "CLOCK_TURNED_BACK" => {
            "The clock of this device is behind the last check of the licence. Set date and time, or connect to the \
             internet."
        }
        "CLOCK_WRONG" => {
            "The clock of this device is wrong. Set date and time, or the licence cannot be checked offline."
        }
        "NOT_STORED" => {
            "The licence could not be stored on this device, so it is checked online at each start."
        }
        "OFFLINE" => "The shop cannot be reached. Look at the internet connection, then try again.",
        "NOT_THE_SHOP" => {
            "Something else answered in the shop's place, such as a network's sign-in page. Sign in there, then try \
             again."
        }
        "RATE_LIMITED" => "There were too many tries. Wait a while, then try again.",
        "TENANT_NOT_FOUND" => "The shop cannot be found at its address. Look for an update of this program.",
        "TENANT_INACTIVE" => "The shop is closed at the moment.",
        _ => "The shop cannot answer at the moment. Try again later.",
    }
}
