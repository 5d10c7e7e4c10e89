import uuid
from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Phone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=16, unique=True, verbose_name="number")),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created at"
                    ),
                ),
                (
                    "verified_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="verified at"
                    ),
                ),
                (
                    "released_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="released at"
                    ),
                ),
                (
                    "trusted_since",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="Browsers in which the number was verified earlier are no longer trusted.",
                        null=True,
                        verbose_name="browsers trusted since",
                    ),
                ),
                (
                    "blocked_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="blocked at"
                    ),
                ),
                (
                    "last_attempt_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="last attempt at"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="flashcall_phones",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "phone number",
                "verbose_name_plural": "phone numbers",
                "permissions": [("view_full_number", "Can view phone numbers in full")],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("flash_call", "flash call"),
                            ("voice", "voice call"),
                            ("sms", "SMS"),
                        ],
                        help_text="Leave empty for every channel.",
                        max_length=16,
                        verbose_name="channel",
                    ),
                ),
                (
                    "prefix",
                    models.CharField(
                        blank=True,
                        help_text="The beginning of the number, such as +7999. Leave empty for every number.",
                        max_length=15,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^\\+[0-9]+\\Z", "A prefix is a + and digits, such as +7999."
                            )
                        ],
                        verbose_name="prefix",
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="Leave empty to use the amount of a shorter prefix.",
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0"))],
                        verbose_name="amount",
                    ),
                ),
                (
                    "billed",
                    models.DecimalField(
                        decimal_places=4,
                        editable=False,
                        help_text="The last price that the provider billed above the amount.",
                        max_digits=12,
                        null=True,
                        verbose_name="billed",
                    ),
                ),
                (
                    "billed_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="billed at"),
                ),
                ("allowed", models.BooleanField(default=True, verbose_name="allowed")),
                (
                    "valid_from",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="valid from"
                    ),
                ),
            ],
            options={
                "verbose_name": "price",
                "verbose_name_plural": "prices",
                "ordering": ["prefix", "channel", "-valid_from"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("channel", "prefix", "valid_from"), name="flashcall_price_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__isnull", True), ("amount__gte", 0), _connector="OR"
                        ),
                        name="flashcall_price_amount",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Usage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(blank=True, max_length=16, verbose_name="scope")),
                ("since", models.DateTimeField(verbose_name="since")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="attempts")),
                ("units", models.PositiveBigIntegerField(default=0, verbose_name="units")),
            ],
            options={
                "verbose_name": "usage",
                "verbose_name_plural": "usage",
                "ordering": ["-since", "scope"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scope", "since"), name="flashcall_usage_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="key"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(default="login", max_length=32, verbose_name="purpose"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("approved", "approved"),
                            ("canceled", "canceled"),
                        ],
                        default="pending",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("browser", models.UUIDField(editable=False, null=True)),
                ("next_url", models.CharField(blank=True, editable=False, max_length=500)),
                (
                    "is_trusted",
                    models.BooleanField(
                        default=False, editable=False, verbose_name="trusted browser"
                    ),
                ),
                (
                    "address",
                    models.GenericIPAddressField(
                        blank=True, null=True, verbose_name="requested from"
                    ),
                ),
                ("checks", models.PositiveSmallIntegerField(default=0, verbose_name="checks")),
                ("max_checks", models.PositiveSmallIntegerField(verbose_name="checks allowed")),
                (
                    "attempt_count",
                    models.PositiveSmallIntegerField(default=0, verbose_name="attempts"),
                ),
                ("max_attempts", models.PositiveSmallIntegerField(verbose_name="attempts allowed")),
                (
                    "is_decoy",
                    models.BooleanField(
                        default=False,
                        help_text="No call was placed: the number has no user, and sign-up is off.",
                        verbose_name="decoy",
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False, verbose_name="created at")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                (
                    "approved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="approved at"),
                ),
                (
                    "consumed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="used at"),
                ),
                (
                    "phone",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verifications",
                        to="django_flashcall.phone",
                        verbose_name="number",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        help_text="The user who requested the call, if they were logged in.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "verification",
                "verbose_name_plural": "verifications",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="VerificationAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("flash_call", "flash call"),
                            ("voice", "voice call"),
                            ("sms", "SMS"),
                        ],
                        max_length=16,
                        verbose_name="channel",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "requested"),
                            ("accepted", "accepted"),
                            ("rejected", "rejected"),
                            ("unknown", "unknown"),
                        ],
                        default="requested",
                        max_length=16,
                        verbose_name="outcome",
                    ),
                ),
                ("code_digest", models.CharField(blank=True, editable=False, max_length=64)),
                ("code_length", models.PositiveSmallIntegerField(verbose_name="digits")),
                (
                    "call_id",
                    models.CharField(
                        blank=True, max_length=64, verbose_name="call whose code is repeated"
                    ),
                ),
                (
                    "provider_id",
                    models.CharField(blank=True, max_length=64, verbose_name="provider's id"),
                ),
                ("error_code", models.CharField(blank=True, max_length=64, verbose_name="reason")),
                (
                    "reserved",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="The estimate from the price list; empty if there is none.",
                        max_digits=12,
                        null=True,
                        verbose_name="reserved",
                    ),
                ),
                (
                    "price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="What the provider billed.",
                        max_digits=12,
                        null=True,
                        verbose_name="price",
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False, verbose_name="requested at")),
                ("expires_at", models.DateTimeField(verbose_name="code expires at")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent at")),
                (
                    "answered_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="answered at"),
                ),
                (
                    "verification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="django_flashcall.verification",
                        verbose_name="verification",
                    ),
                ),
            ],
            options={
                "verbose_name": "verification attempt",
                "verbose_name_plural": "verification attempts",
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="phone",
            constraint=models.CheckConstraint(
                condition=models.Q(("number", ""), _negated=True), name="flashcall_phone_has_number"
            ),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(fields=["phone", "created_at"], name="flashcall_verif_phone"),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(fields=["created_at"], name="flashcall_verif_created"),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(fields=["browser"], name="flashcall_verif_browser"),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "approved", "canceled"])),
                name="flashcall_verif_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(("checks__lte", models.F("max_checks"))),
                name="flashcall_verif_checks",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(("attempt_count__lte", models.F("max_attempts"))),
                name="flashcall_verif_attempts",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="flashcall_verif_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at__isnull", True), ("consumed_at__isnull", True)),
                    models.Q(("approved_at__isnull", False), ("status", "approved")),
                    _connector="OR",
                ),
                name="flashcall_verif_approved",
            ),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["status", "created_at"], name="flashcall_attempt_status"),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["requested", "accepted", "rejected", "unknown"])
                ),
                name="flashcall_attempt_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("channel__in", ["flash_call", "voice", "sms"])),
                name="flashcall_attempt_channel",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reserved__isnull", True), ("reserved__gte", 0), _connector="OR"
                ),
                name="flashcall_attempt_reserved",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__isnull", True), ("price__gte", 0), _connector="OR"),
                name="flashcall_attempt_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="flashcall_attempt_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "rejected"), _negated=True),
                    ("code_digest", ""),
                    _connector="OR",
                ),
                name="flashcall_attempt_rejected",
            ),
        ),
    ]
