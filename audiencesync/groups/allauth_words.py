"""What allauth says to people, named so that our German catalogue, which is asked before its own, can say it better.

allauth says "du" in half of its German; we say "Sie". A text that allauth changes falls back to allauth's own German.
"""

from django.utils.translation import gettext_noop as _

WORDS = (
    _("Please type your current password."),
    _("Too many failed login attempts. Try again later."),
    _("The email address and/or password you specified are not correct."),
    _("The new value must be different from the current one."),
    _("Please select only one."),
    _("Be patient, you are sending too many requests."),
    _("The password reset token was invalid."),
    _("You must type the same password each time."),
    _("You must type the same email each time."),
    _("Your primary email address must be verified."),
    _("Thank you for using %(site_name)s!\n%(site_domain)s"),
    _("Hello from %(site_name)s!"),
    _("Please Confirm Your Email Address"),
    _(
        "You're receiving this email because user %(user_display)s has given your email address to "
        "register an account on %(site_domain)s."
    ),
    _("To confirm this is correct, go to %(activate_url)s"),
    _("Your password has been changed."),
    _(
        "You're receiving this email because you or someone else has requested a password reset for your "
        "user account.\n"
        "It can be safely ignored if you did not request a password reset. Click the link below to reset "
        "your password."
    ),
    _("In case you forgot, your username is %(username)s."),
    _(
        "You are receiving this email because you or someone else tried to signup for an\n"
        "account using email address:\n"
        "\n"
        "%(email)s\n"
        "\n"
        "However, an account using that email address already exists.  In case you have\n"
        "forgotten about this, please use the password forgotten procedure to recover\n"
        "your account:\n"
        "\n"
        "%(password_reset_url)s"
    ),
    _(
        "If you do not recognize this change then please take proper security precautions immediately. The "
        "change to your account originates from:\n"
        "\n"
        "- IP address: %(ip)s\n"
        "- Browser: %(user_agent)s\n"
        "- Date: %(timestamp)s"
    ),
    _("Email Address"),
    _("Change Email"),
    _("Current email"),
    _("Change to"),
    _("Changing to"),
    _("Your email address is still pending verification."),
    _("Re-send Verification"),
    _('Please confirm that <a href="mailto:%(email)s">%(email)s</a> is an email address for user %(user_display)s.'),
    _(
        'This email confirmation link expired or is invalid. Please <a href="%(email_url)s">issue a new '
        "email confirmation request</a>."
    ),
    _("Unable to confirm %(email)s because it is already confirmed by a different account."),
    _("If you have not created an account yet, then please %(link)ssign up%(end_link)s first."),
    _("Sign In"),
    _("Are you sure you want to sign out?"),
    _("You have confirmed %(email)s."),
    _("Successfully signed in as %(name)s."),
    _("You have signed out."),
    _("Forgotten your password? Enter your email address below, and we'll send you an email allowing you to reset it."),
    _("Please contact us if you have any trouble resetting your password."),
    _(
        "We have sent you an email. If you have not received it please check your spam folder. Otherwise "
        "contact us if you do not receive it in a few minutes."
    ),
    _("Bad Token"),
    _(
        "The password reset link was invalid, possibly because it has already been used.  Please request a "
        '<a href="%(passwd_reset_url)s">new password reset</a>.'
    ),
    _("Your password is now changed."),
    _("Already have an account? Then please %(link)ssign in%(end_link)s."),
    _("Sign Up"),
    _("Signup"),
    _("Sign Up Closed"),
    _("We are sorry, but the sign up is currently closed."),
    _("You are already logged in as %(user_display)s."),
    _("Verify Your Email Address"),
    _(
        "We have sent an email to you for verification. Follow the link provided to finalize the signup "
        "process. If you do not see the verification email in your main inbox, check your spam folder. "
        "Please contact us if you do not receive the verification email within a few minutes."
    ),
    _("Please reauthenticate to safeguard your account."),
    _("Confirm Access"),
    _("Recovery Codes"),
    _("Recovery codes"),
    _("You are about to generate a new set of recovery codes for your account."),
    _("This action will invalidate your existing codes."),
    _("Generate"),
    _("Generate new codes"),
    _("A new set of recovery codes has been generated."),
    _("Authenticator secret"),
    _("Authenticator code"),
    _(
        "To protect your account with two-factor authentication, scan the QR code below with your "
        "authenticator app. Then, input the verification code generated by the app below."
    ),
    _("You can store this secret and use it to reinstall your authenticator app at a later time."),
    _("You are about to deactivate authenticator app based authentication. Are you sure?"),
    _("You cannot activate two-factor authentication until you have verified your email address."),
)
