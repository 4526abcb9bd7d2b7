//! Who may download a release. Needs no database.

use primetech_kernel::stored_file::StoredFile;

use crate::error::DownloadError;
use crate::messages::Unpublished;

/// A release as it is decided on.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseState {
    pub published: bool,
    pub file_name: String,
    pub file: StoredFile,
    /// Whether the viewer has an entitlement of the product that was not revoked.
    pub entitled: bool,
}

/// The name and the file of the release. One that may not be seen is absent; one that may be seen and not be had says
/// what is missing.
pub(crate) fn decide(
    state: Option<ReleaseState>,
    is_admin: bool,
    unpublished: Unpublished,
) -> Result<(String, StoredFile), DownloadError> {
    let state = state.ok_or(DownloadError::NotFound)?;
    let shown = state.published || (is_admin && unpublished == Unpublished::ToAdmins);
    if !shown {
        return Err(DownloadError::NotFound);
    }
    if !is_admin && !state.entitled {
        return Err(DownloadError::EntitlementRequired);
    }
    Ok((state.file_name, state.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(published: bool, entitled: bool) -> Option<ReleaseState> {
        let file =
            StoredFile { bucket: String::new(), object_key: String::new(), size_bytes: 0, sha256: [0; 32] };
        Some(ReleaseState { published, file_name: String::new(), file, entitled })
    }

    #[test]
    fn who_may_download_what() {
        let verdict = |state, is_admin, unpublished| match decide(state, is_admin, unpublished) {
            Ok(_) => "given",
            Err(DownloadError::NotFound) => "absent",
            Err(DownloadError::EntitlementRequired) => "to be bought",
            Err(DownloadError::Store(_) | DownloadError::Fault(_)) => "fault",
        };
        for unpublished in [Unpublished::ToNobody, Unpublished::ToAdmins] {
            assert_eq!(verdict(None, true, unpublished), "absent");
            assert_eq!(verdict(state(true, false), false, unpublished), "to be bought");
            assert_eq!(verdict(state(true, true), false, unpublished), "given");
            assert_eq!(verdict(state(true, false), true, unpublished), "given");
            assert_eq!(verdict(state(false, true), false, unpublished), "absent");
        }
        assert_eq!(verdict(state(false, false), true, Unpublished::ToNobody), "absent");
        assert_eq!(verdict(state(false, false), true, Unpublished::ToAdmins), "given");
    }
}
