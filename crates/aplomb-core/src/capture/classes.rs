//! The classes of exceptions that say a status by their name alone.

/// Class names as SDKs of all languages share them, and the status that each stands for.
const CLASSES: &[(&str, u16)] = &[
    // Stainless SDKs (OpenAI, Anthropic, Groq, Mixedbread, Together, …), LiteLLM.
    ("BadRequestError", 400),
    ("ContextWindowExceededError", 400),
    ("ContentPolicyViolationError", 400),
    ("AuthenticationError", 401),
    ("PermissionDeniedError", 403),
    ("NotFoundError", 404),
    ("ConflictError", 409),
    ("UnprocessableEntityError", 422),
    ("RateLimitError", 429),
    ("InternalServerError", 500),
    ("BadGatewayError", 502),
    ("ServiceUnavailableError", 503),
    ("OverloadedError", 529),
    // Fern SDKs (Cohere, Deepgram, ElevenLabs, …).
    ("UnauthorizedError", 401),
    ("PaymentRequiredError", 402),
    ("ForbiddenError", 403),
    ("TooManyRequestsError", 429),
    ("ClientClosedRequestError", 499),
    ("NotImplementedError", 501),
    ("GatewayTimeoutError", 504),
    // The same in Java, C# and PHP.
    ("BadRequestException", 400),
    ("UnauthorizedException", 401),
    ("PermissionDeniedException", 403),
    ("ForbiddenException", 403),
    ("NotFoundException", 404),
    ("UnprocessableEntityException", 422),
    ("RateLimitException", 429),
    ("InternalServerException", 500),
    // google.api_core.
    ("InvalidArgument", 400),
    ("FailedPrecondition", 400),
    ("Unauthenticated", 401),
    ("PermissionDenied", 403),
    ("Forbidden", 403),
    ("NotFound", 404),
    ("AlreadyExists", 409),
    ("Aborted", 409),
    ("ResourceExhausted", 429),
    ("TooManyRequests", 429),
    ("ServiceUnavailable", 503),
    ("BadGateway", 502),
    ("GatewayTimeout", 504),
    ("DeadlineExceeded", 504),
    // Amazon Bedrock.
    ("ValidationException", 400),
    ("UnrecognizedClientException", 403),
    ("ExpiredTokenException", 403),
    ("AccessDeniedException", 403),
    ("ResourceNotFoundException", 404),
    ("ModelTimeoutException", 408),
    ("ModelErrorException", 424),
    ("ThrottlingException", 429),
    ("ModelNotReadyException", 429),
    ("ServiceQuotaExceededException", 400),
    ("ServiceUnavailableException", 503),
    // Stripe.
    ("CardError", 402),
    ("InvalidRequestError", 400),
    ("StripeCardError", 402),
    ("StripeInvalidRequestError", 400),
    ("StripeAuthenticationError", 401),
    ("StripePermissionError", 403),
    ("StripeRateLimitError", 429),
    ("StripeIdempotencyError", 409),
];

/// The status that a class stands for.
pub(super) fn status(class: &str) -> Option<u16> {
    CLASSES.iter().find(|(name, _)| *name == class).map(|(_, status)| *status)
}

/// Whether a name is that of an exception.
pub(super) fn is_exception(class: &str) -> bool {
    let ends = ["Error", "Exception", "Timeout", "Failure", "Err"].iter().any(|end| class.ends_with(end));
    (ends && class.starts_with(char::is_uppercase)) || status(class).is_some()
}
