#pragma once

namespace gatehouse {

/// Makes every thread that waits for a read-write lock of the C library, most of them OpenSSL's,
/// sleep between attempts. The library's own wait spins where the holder was interrupted between
/// two instructions of taking or giving the lock; on the holder's CPU that lasts until the
/// scheduler lets it on, a tenth of a second where it gives way to others. Call it anywhere: that
/// alone links the replacement. Without effect in sanitized builds, which have their own.
void use_patient_locks();

}  // namespace gatehouse
