"""Sign-in by the address of the account, never by a pending one."""

from allauth.account.auth_backends import AuthenticationBackend

from audiencesync.groups.models import User


class AddressBackend(AuthenticationBackend):
    """allauth's backend, without its search among unconfirmed addresses."""

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        user = User.objects.filter(email=email.strip().lower()).first()
        return user if self._check_password(user, password) else None
